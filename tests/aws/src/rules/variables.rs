//! The variable `aws:PrincipalTag` in policies, with a colon in the tag's key and without.
//!
//! A boundary with such a variable keeps clusters apart. Whether a colon in the key works is not
//! documented.

use crate::probe::{Ask, Probe};
use crate::scoped::{Scoped, allow, assume, create};
use crate::trouble::Trouble;

const KEYS: [(&str, &str); 2] = [("plain", "cluster"), ("colon", "engine-roles:cluster")];

pub(super) async fn principal_tags(probe: &mut Probe) -> Result<(), Trouble> {
    let (own, other) = (probe.role("tag-own").await?, probe.role("tag-other").await?);
    for (short, key) in KEYS {
        let resource = format!("role{}${{aws:PrincipalTag/{key}}}", probe.run.path());
        let name = format!("var-{short}");
        let mut scoped = Scoped::new(&name, &[allow(&["iam:GetRole"], &probe.arn(&resource))]);
        let tags = [(key, own.as_str())];
        scoped.tags = &tags;
        let session = match create(probe, &scoped).await {
            Ok(role) => assume(probe, &role, None).await?,
            Err(Trouble::Failed { answer, .. }) => {
                probe.note(&format!("{short} key: the policy"), &answer);
                continue;
            }
            Err(trouble) => return Err(trouble),
        };
        for (which, target) in [("its own role", &own), ("another role", &other)] {
            let what = format!("{short} key in a resource, {which}");
            let ask = Ask::new(&what, "GetRole", &[("RoleName", target.as_str())]);
            probe.ask(ask.by(&session)).await?;
        }
    }
    for (short, key) in KEYS {
        let mut statement = allow(&["iam:GetRole"], "*");
        let condition = serde_json::json!({ (format!("aws:PrincipalTag/{key}")): own });
        statement["Condition"] = serde_json::json!({ "StringEquals": condition });
        let name = format!("key-{short}");
        let mut scoped = Scoped::new(&name, &[statement]);
        let tags = [(key, own.as_str())];
        scoped.tags = &tags;
        let role = create(probe, &scoped).await?;
        let session = assume(probe, &role, None).await?;
        let what = format!("{short} key in a condition");
        let ask = Ask::new(&what, "GetRole", &[("RoleName", own.as_str())]);
        probe.ask(ask.by(&session)).await?;
    }
    Ok(())
}
