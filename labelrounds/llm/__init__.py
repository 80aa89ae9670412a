"""Language models that are asked for labels: what is asked, who answers, what the answers mean, and where they are kept."""
