"""What the image of the embedding job holds that is made here."""
