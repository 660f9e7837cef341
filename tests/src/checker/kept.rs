//! Invariant 7: what the database keeps for lists and counts agrees with the bindings.

use super::Checker;
use crate::database::Database;

/// Each row describes one difference. One query, so that it reads one state of the database.
const DIFFERENCES: &str = "
    SELECT format('the count of %s bindings (live: %s) in %s is %s, and there are %s',
                  state, live, account_id, COALESCE(kept, 0), COALESCE(present, 0)) AS text
    FROM (
        SELECT namespace, account_id, aws_partition, state, live, sum(count) AS kept
        FROM (SELECT * FROM binding_counts UNION ALL SELECT * FROM binding_count_changes) counted
        GROUP BY namespace, account_id, aws_partition, state, live
    ) counts
    FULL JOIN (
        SELECT namespace, account_id, aws_partition, state, live, count(*) AS present
        FROM bindings GROUP BY namespace, account_id, aws_partition, state, live
    ) bindings USING (namespace, account_id, aws_partition, state, live)
    WHERE COALESCE(kept, 0) <> COALESCE(present, 0)
    UNION ALL
    SELECT format('cluster %s does not have its newest binding in lists', cluster)
    FROM bindings GROUP BY namespace, cluster
    HAVING max(generation) IS DISTINCT FROM max(generation) FILTER (WHERE newest)
        OR count(*) FILTER (WHERE newest) <> 1";

/// Returns the differences between the bindings and what is kept about them.
pub(super) async fn differences(database: &Database) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Difference {
        text: String,
    }
    let rows: Vec<Difference> = database.rows(DIFFERENCES).await;
    rows.into_iter().map(|row| row.text).collect()
}

impl Checker {
    pub(super) fn check_kept(&self, breaches: &mut Vec<String>) {
        breaches.extend(self.differences.iter().map(|found| format!("7: {found}")));
    }
}
