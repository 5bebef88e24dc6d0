"""Days and moments as the administration writes them, in UTC; web/dates.py has the style."""

DATE_FORMAT = "M j, Y"
DATETIME_FORMAT = "M j, Y, g:i A"
