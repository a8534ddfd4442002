UPDATE uploads SET status = 'expired';
