DROP TABLE upload_arrivals;
