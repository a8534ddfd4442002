DROP TABLE retired_vector_stores;
