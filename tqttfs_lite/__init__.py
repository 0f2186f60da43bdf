"""A small library behind the companion to the TQ-TTFS paper (Yang, Xuan and Kang, ASP-DAC 2024)."""
