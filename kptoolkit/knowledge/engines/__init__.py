"""Where prompts are rendered and tokenized: this process, worker processes, or Ray Data."""
