"""The rules: pure functions from records to what is true of them. No Kafka, no SQL, no clock."""
