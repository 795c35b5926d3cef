"""The company's side: requests and their delivery, the model registry, workers, labels and the HTTP API of sites."""
