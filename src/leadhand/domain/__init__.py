"""Domain: what is asked, decided and true; no clock, I/O, asyncio or logging."""
