-- Views: any other count, in SQL. Made when the bot starts, from all that the stream still holds.
-- Ask: pulsebot sql "SELECT * FROM TRIGGER_PER_DAY", or in chat: /view TRIGGER_PER_DAY this week

CREATE TABLE TRIGGER_PER_DAY AS
SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 DAY)
GROUP BY SERVICE_ID;
