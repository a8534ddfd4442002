DROP TABLE collection_resource_limits;
DROP TABLE collection_permissions;
DROP TABLE collections;
DROP TYPE permission;
DROP TYPE quantization;
DROP TYPE collection_status;
