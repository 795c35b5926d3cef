"""The shell every web page of a site or of the hub stands in: sign-in, layout, security headers, assets."""
