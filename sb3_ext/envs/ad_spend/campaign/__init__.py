"""A campaign in a market: what is random, what happens in a period, what an agent sees and does."""
