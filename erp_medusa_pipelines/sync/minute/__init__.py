"""Work of every minute: quotation mails and one-time passwords."""
