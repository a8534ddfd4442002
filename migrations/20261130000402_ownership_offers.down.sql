-- Open offers are lost.
DROP TABLE ownership_offers;
