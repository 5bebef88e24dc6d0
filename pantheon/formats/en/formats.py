"""Days and moments as the administration writes them: as in the API and on the bill, in UTC."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
