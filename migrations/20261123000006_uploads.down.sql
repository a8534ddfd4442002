DROP TABLE uploads;
DROP TYPE upload_status;
