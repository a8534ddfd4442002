-- Webhooks and their deliveries are lost.
DROP TABLE webhook_deliveries;
DROP TABLE webhook_secrets;
DROP TABLE webhooks;
DROP TYPE webhook_delivery_state;
