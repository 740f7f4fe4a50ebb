"""Apache Kafka and PostgreSQL of the stack's own, on loopback."""
