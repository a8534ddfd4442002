UPDATE collections SET contextualize = TRUE;
