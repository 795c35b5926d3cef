"""A site's program: the door, the archive's endpoint, requests, results, labels and pages of one hospital or laboratory."""
