"""The best plan of a campaign, with a bound on what any plan can earn."""
