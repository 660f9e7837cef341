use super::*;
use crate::statement::Statement;

fn document(statements: Vec<Statement>) -> Document {
    Document::new(Kind::Identity, statements).expect("a valid document")
}

/// Returns the steps for statements like those of real policies, under themselves: `count` actions
/// on as many resources, every tenth denied in part.
fn steps(count: usize) -> u64 {
    let statements = (0..count).map(|index| {
        let service = ["s3", "ec2", "iam", "sqs"][index % 4];
        let is_deny = index % 10 == 9;
        let index = index / 10 * 10 + index % 9;
        let end = if is_deny { "secret-*" } else { "*" };
        let actions = [format!("{service}:Get{index}Thing*")];
        let resources = [format!("arn:aws:{service}:::thing/{index}/{end}")];
        if is_deny {
            Statement::deny("", actions, resources)
        } else {
            Statement::allow("", actions, resources)
        }
    });
    let document = document(statements.collect());
    let mut budget = Budget::unlimited();
    let found = found_within(&[&document], Some(&document), &[], &mut budget);
    assert!(!found.expect("an unlimited budget").is_empty());
    budget.used()
}

#[test]
fn the_work_grows_with_the_number_of_statements_and_not_with_its_square() {
    let (hundred, thousand, five_thousand) = (steps(100), steps(1_000), steps(5_000));
    assert!(thousand < 15 * hundred, "{hundred} {thousand}");
    assert!(five_thousand < 8 * thousand, "{thousand} {five_thousand}");
    assert!(five_thousand < MOST_STEPS / 4, "{five_thousand}");
}

#[test]
fn the_same_documents_take_the_same_steps_and_stop_at_the_bound() {
    let used = steps(100);
    assert_eq!(used, steps(100));
    let document = document(vec![Statement::allow("", ["s3:*", "iam:*"], ["*"])]);
    let mut budget = Budget::unlimited();
    let found = found_within(&[&document], None, &[], &mut budget);
    assert_eq!(found.map(|found| found.len()), Ok(2));
    let enough = budget.used();
    for (limit, expected) in [
        (enough, Ok(2)),
        (enough - 1, Err(TooLarge { limit: enough - 1 })),
    ] {
        let found = found_within(&[&document], None, &[], &mut Budget::new(limit));
        assert_eq!(found.map(|found| found.len()), expected);
    }
}
