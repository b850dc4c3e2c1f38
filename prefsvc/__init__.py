"""The register of opt-outs that a company's senders cannot overlook."""
