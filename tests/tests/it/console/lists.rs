//! The list of clusters and the log, page by page.

use engine_roles_e2e::Installation;
use serde_json::json;

use super::browser::Browser;

/// Returns the clusters of a list, in its order.
fn clusters(page: &str) -> Vec<String> {
    let rows = page.split("<a id=\"cluster-").skip(1);
    rows.map(|row| {
        let link = row.split("href=\"/console/clusters/").nth(1);
        let name = link.and_then(|link| link.split('"').next());
        name.unwrap_or_default().to_owned()
    })
    .collect()
}

/// Returns the path of a link by its text.
fn link(page: &str, text: &str) -> Option<String> {
    let before = page.split(&format!(">{text}</a>")).next()?;
    let has_link = before.len() < page.len();
    let href = before.rsplit("href=\"").next()?;
    let path = href.split('"').next()?;
    has_link.then(|| path.replace("&amp;", "&"))
}

#[tokio::test]
async fn the_list_has_filters_an_order_and_pages_that_are_links() {
    let installation = Installation::build()
        .rarely_checked()
        .env(
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            "arn:aws:iam::123456789012:role/p=p",
        )
        .start()
        .await;
    let client = installation.client();
    let passed = json!({"iam_role": "p", "mode": "pass_through"});
    let mut expected = Vec::new();
    for number in 0..120 {
        let cluster = format!("batch-{number:03}");
        client.put(&cluster, passed.clone()).await.expect(201);
        expected.push(cluster);
    }
    let role = client.provision("created").await.expect(201)["role"].clone();
    client.provision("gone").await.expect(201);
    client.delete("gone").await.expect(200);
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let shown = async |path: &str| browser.get(path).await.expect(200).to_owned();

    let (mut found, mut pages) = (Vec::new(), 0);
    let mut next = Some("/console/clusters?prefix=batch-".to_owned());
    while let Some(path) = next {
        let page = shown(&path).await;
        let names = clusters(&page);
        assert!(names.len() <= 50);
        found.extend(names);
        pages += 1;
        let first = link(&page, "First page");
        assert_eq!(first.is_some(), pages > 1, "{page}");
        next = link(&page, "Next page");
    }
    assert_eq!((found, pages), (expected, 3));

    let arn = role["arn"].as_str().unwrap_or_default();
    let id = role["id"].as_str().unwrap_or_default();
    for (query, expected) in [
        ("mode=create".to_owned(), &["created", "gone"][..]),
        ("mode=create&state=active".to_owned(), &["created"]),
        (
            "state=deleted&prefix=&role=&drifted=&mode=".to_owned(),
            &["gone"],
        ),
        (format!("role={arn}"), &["created"]),
        (format!("role={id}"), &["created"]),
        ("role=no-such-role".to_owned(), &[]),
        ("drifted=true".to_owned(), &[]),
        ("mode=create&sort=changed".to_owned(), &["gone", "created"]),
        ("mode=create&sort=state".to_owned(), &["created", "gone"]),
    ] {
        let page = shown(&format!("/console/clusters?{query}")).await;
        assert_eq!(clusters(&page), expected, "{query}");
    }
    for wrong in [
        "state=lost",
        "prefix=*",
        "cursor=x",
        "sort=size",
        "limit=5",
        "state=active&state=failed",
    ] {
        let answer = browser.get(&format!("/console/clusters?{wrong}")).await;
        answer.expect(400);
    }
}

#[tokio::test]
async fn the_log_shows_its_newest_events_first_and_leads_to_the_earlier_ones() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    for number in 0..40 {
        client.provision(&format!("c{number}")).await.expect(201);
    }
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    // Otherwise the first look would itself add an event, perhaps before its page is read.
    installation.database.without_log_reads().await;
    installation.events_are_numbered().await;
    let shown = async |path: &str| browser.get(path).await.expect(200).to_owned();
    let numbers = |page: &str| -> Vec<i64> {
        let events = page.split("<span class=\"quiet small\">event ").skip(1);
        let numbers = events.map(|part| part.split('<').next().and_then(|it| it.parse().ok()));
        numbers.map(|number| number.expect("a number")).collect()
    };
    let newest = shown("/console/audit").await;
    let first = numbers(&newest);
    assert_eq!(first.len(), 50);
    assert!(
        first.is_sorted_by(|one, next| one == &(next + 1)),
        "{first:?}"
    );
    assert_eq!(link(&newest, "Later events"), None);
    let earlier = link(&newest, "Earlier events").expect("a link");
    let page = shown(&earlier).await;
    let second = numbers(&page);
    assert_eq!(second.first().copied(), first.last().map(|it| it - 1));
    assert!(link(&page, "Later events").is_some() && link(&page, "Newest events").is_some());

    let filtered = shown("/console/audit?action=provisioned&actor=init").await;
    assert!(filtered.contains("The oldest event comes first."));
    let found = numbers(&filtered);
    assert!(found.is_sorted() && found.len() == 40, "{found:?}");
    let of_one = shown("/console/audit?cluster=c7&since=2026-01-01T00:00&until=").await;
    assert_eq!(numbers(&of_one).len(), 2);
    let none = shown("/console/audit?until=2020-01-01T00:00:00").await;
    assert!(none.contains("No event of this part of the log matches."));
    for wrong in [
        "action=lost",
        "since=now",
        "after=-1",
        "cluster=*",
        "limit=5",
    ] {
        let answer = browser.get(&format!("/console/audit?{wrong}")).await;
        assert!(
            [400, 422].contains(&answer.status),
            "{wrong}: {}",
            answer.text
        );
        assert!(answer.text.contains("<!DOCTYPE html>"));
    }
    // The tree over the log is extended within a moment.
    engine_roles_e2e::eventually("the log is in order", async || {
        let page = shown("/console/audit").await;
        page.contains("Every numbered event is in the tree")
            .then_some(())
    })
    .await;
    assert!(newest.contains("Checkpoint"));
    installation.assert_sound().await;
}
