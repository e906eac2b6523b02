"""What waits for no night: quotation mails and one-time passwords."""
