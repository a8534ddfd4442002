UPDATE documents SET file_name = 'cafe' || U&'\0301' || '.txt', file_path = 'u' || U&'\0308' || '/cafe' || U&'\0301' || '.txt';
