"""The operator's command `erp-medusa`: one module per command, and the frame that they share."""
