"""Files of the image of the embedding job."""
