"""Videos on a server (S3, Google Cloud Storage, Hugging Face, HTTP): the listing, the cache on the local disk, the transfer."""
