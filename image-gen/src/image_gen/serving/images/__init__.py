"""`POST /v1/images/generations`: request parsing, image jobs, the queue and errors in OpenAI's format."""
