"""The cron worker."""
