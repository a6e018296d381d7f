"""Where model files are downloaded from: a Hugging Face hub, an S3 bucket or a local directory."""
