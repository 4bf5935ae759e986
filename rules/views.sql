-- Views in SQL: made when the bot starts, from all events that the stream still holds. Ask them
-- by `pulsebot sql`, in chat by /view, on the board, over HTTP, or with any tool that reads SQLite.

-- how often each service is triggered, by day
CREATE TABLE TRIGGER_PER_DAY AS
SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 DAY)
GROUP BY SERVICE_ID;

-- services that crashed more than twice in an hour
CREATE TABLE UNSTABLE_HOURS AS
SELECT SERVICE_ID, COUNT(*) AS CRASHES FROM SERVICE_CRASH
WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 30 DAYS)
GROUP BY SERVICE_ID
HAVING COUNT(*) > 2;
