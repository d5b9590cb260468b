"""The paper's tables and figures, and others: what each is made of, and how it is written."""
