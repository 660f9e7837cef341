//! The plan's steps lead from any observed state to the desired one, in any order within a stage.

use std::collections::{BTreeMap, BTreeSet};

use engine_roles_domain::binding::Binding;
use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::cluster::{CreateSpec, ModeSpec, RoleSpec};
use engine_roles_domain::grant::trust_policy;
use engine_roles_domain::resources::{
    Desired, InlinePolicies, Observed, Plan, ProfileName, RoleName, Tags, drift, plan, plan_repair,
};
use proptest::prelude::*;

use crate::account::{Account, Profile, Role};
use crate::fixtures::{PATH, all_tags, binding_of, deleting, pass_through_spec, spec};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/Boundary";

fn planned(binding: &Binding, observed: &Observed) -> Plan {
    let desired = Desired::of(binding).expect("the policies can be written");
    plan(binding, &desired, observed).expect("nothing foreign is in the way")
}

/// Applies a plan; `seed` decides the order within each stage.
fn run(account: &mut Account, plan: &Plan, seed: usize) {
    for stage in &plan.stages {
        let mut stage = stage.clone();
        let turn = seed % stage.len();
        stage.rotate_left(turn);
        if seed.is_multiple_of(2) {
            stage.reverse();
        }
        for step in &stage {
            if let Err(code) = account.apply(step) {
                panic!("{step} failed: {code}");
            }
        }
    }
}

fn user_tags() -> impl Strategy<Value = Tags> {
    let few = prop::collection::btree_map("[a-cA-C]", "[xy]", 0..3);
    let many = "[p-s]".prop_map(|letter| {
        let keys = (0..46).map(|number| (format!("{letter}{number}"), letter.clone()));
        keys.collect::<BTreeMap<_, _>>()
    });
    let tags = prop_oneof![4 => few.boxed(), 1 => many.boxed()];
    tags.prop_filter_map("keys differ by case", |tags| Tags::new(tags).ok())
}

/// A binding of mode create, with or without a spec that was applied before.
fn bindings() -> impl Strategy<Value = Binding> {
    let specs = (
        user_tags(),
        prop::option::of(user_tags()),
        any::<bool>(),
        any::<bool>(),
    );
    specs.prop_map(|(tags, applied, session_manager, bounded)| {
        let permissions_boundary = bounded.then(|| BOUNDARY.parse().expect("an ARN"));
        let spec = RoleSpec {
            mode: ModeSpec::Create(CreateSpec {
                permissions_boundary,
            }),
            tags,
            session_manager,
            ..spec()
        };
        let applied_spec = applied.map(|tags| RoleSpec {
            tags,
            ..spec.clone()
        });
        Binding {
            generation: 2,
            applied_generation: applied_spec.as_ref().map(|_| 1),
            applied_spec,
            ..binding_of(spec)
        }
    })
}

/// The parts of a binding's resources that exist: any part of what its calls create.
#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is there or not, on its own"
)]
struct Parts {
    role: bool,
    policy: Option<&'static str>,
    profile: bool,
    role_in_profile: bool,
    recorded: bool,
    lost_tags: Vec<usize>,
    others: bool,
}

fn parts() -> impl Strategy<Value = Parts> {
    let policies = prop_oneof![Just(None), Just(Some("ours")), Just(Some("{}"))];
    (
        any::<bool>(),
        policies,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(0..8_usize, 0..4),
        any::<bool>(),
    )
        .prop_map(
            |(role, policy, profile, role_in_profile, recorded, lost_tags, others)| Parts {
                role,
                policy,
                profile,
                role_in_profile,
                recorded,
                lost_tags,
                others,
            },
        )
}

/// The applied tags without the lost ones. Where the id is recorded, any tag may be lost, because
/// the id proves ownership; else only the user's tags may be lost.
fn held_tags(binding: &Binding, parts: &Parts) -> BTreeMap<String, String> {
    let applied = binding.applied_spec.as_ref().unwrap_or(&binding.spec);
    let mut tags = all_tags(&Binding {
        spec: applied.clone(),
        ..binding.clone()
    });
    let keys: Vec<String> = tags.keys().cloned().collect();
    for index in &parts.lost_tags {
        let key = &keys[index % keys.len()];
        if parts.recorded || !key.starts_with("ai-unlimited:") {
            tags.remove(key);
        }
    }
    if parts.others && tags.len() < 50 && binding.spec.tags.iter().count() < 46 {
        tags.insert("others".to_owned(), "1".to_owned());
    }
    tags
}

fn start(binding: &mut Binding, parts: &Parts) -> Account {
    let mut account = Account::default();
    let name = binding.resource_name();
    let tags = held_tags(binding, parts);
    if parts.role {
        let ModeSpec::Create(create) = &binding.spec.mode else {
            unreachable!("these bindings create");
        };
        let mut role = Role {
            id: "AROAOURS".to_owned(),
            path: PATH.to_owned(),
            trust: trust_policy(binding.scope.partition)
                .expect("a policy")
                .to_json(),
            boundary: create
                .permissions_boundary
                .as_ref()
                .map(ToString::to_string),
            tags: tags.clone(),
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
        };
        let ours = crate::fixtures::whole_role(binding).inline;
        let text = match (parts.policy, ours) {
            (Some("ours"), InlinePolicies::Listed { own, .. }) => own,
            (other, _) => other.map(str::to_owned),
        };
        role.inline
            .extend(text.map(|text| ("engine-access".to_owned(), text)));
        if parts.others {
            role.inline.insert("others".to_owned(), "{}".to_owned());
            role.attached.insert("arn:aws:iam::aws:policy/X".to_owned());
        }
        account.roles.insert(name.clone(), role);
    }
    if parts.profile {
        let profile = Profile {
            id: "AIPAOURS".to_owned(),
            path: PATH.to_owned(),
            tags,
            role: (parts.role && parts.role_in_profile).then(|| name.clone()),
        };
        account.profiles.insert(name.into(), profile);
    }
    if parts.recorded {
        let seen = account.observe(binding);
        binding.role = seen.role.map(|role| role.record);
        binding.profile = seen.profile.map(|profile| profile.record);
    }
    account
}

/// Somebody else's resources in the same account.
fn foreign() -> (Role, Profile) {
    let role = Role {
        id: "AROAOTHER".to_owned(),
        path: "/".to_owned(),
        trust: "{}".to_owned(),
        boundary: None,
        tags: BTreeMap::new(),
        inline: BTreeMap::from([("engine-access".to_owned(), "{}".to_owned())]),
        attached: BTreeSet::new(),
    };
    let profile = Profile {
        id: "AIPAOTHER".to_owned(),
        path: "/".to_owned(),
        tags: BTreeMap::new(),
        role: None,
    };
    (role, profile)
}

proptest! {
    #[test]
    fn any_part_of_the_resources_is_completed(mut binding in bindings(), parts in parts(), seed: usize) {
        let mut account = start(&mut binding, &parts);
        let first = planned(&binding, &account.observe(&binding));
        run(&mut account, &first, seed);

        let seen = account.observe(&binding);
        let mut done = binding.clone();
        done.role = seen.role.as_ref().map(|role| role.record.clone());
        done.profile = seen.profile.as_ref().map(|profile| profile.record.clone());
        let again = planned(&done, &seen);
        prop_assert!(again.is_empty(), "{:?}", again.stages);
        let desired = Desired::of(&done).expect("the policies can be written");
        let differs = drift(&done, &desired, &seen);
        let ours = differs.iter().filter(|drift| !drift.kind.as_str().starts_with("foreign"));
        prop_assert_eq!(ours.count(), 0, "{:?}", differs);
        // Tags that only the earlier spec had are gone; tags of others are not.
        let tags = seen.role.and_then(|role| role.tags).expect("the role");
        let formerly = done.applied_spec.iter().flat_map(|spec| spec.tags.iter());
        for (key, _) in formerly {
            prop_assert!(!tags.contains_key(key) || done.spec.tags.iter().any(|(kept, _)| kept == key));
        }
        if parts.role && parts.others {
            let role = account.roles.values().next().expect("the role");
            prop_assert!(role.inline.contains_key("others"));
        }
    }

    #[test]
    fn a_repair_creates_nothing_and_leaves_no_drift_on_our_own_parts(
        mut binding in bindings(),
        parts in parts(),
        seed: usize,
    ) {
        let parts = Parts { recorded: true, ..parts };
        binding.applied_spec = Some(binding.spec.clone());
        binding.lifecycle = Lifecycle::Active { last_error: None };
        let mut account = start(&mut binding, &parts);
        let (roles, profiles) = (account.roles.len(), account.profiles.len());
        let desired = Desired::of(&binding).expect("the policies can be written");
        let repair = plan_repair(&binding, &desired, &account.observe(&binding));
        prop_assert!(repair.stages.iter().flatten().all(|step| !step.creates() && !step.removes()));
        run(&mut account, &repair, seed);
        prop_assert_eq!((account.roles.len(), account.profiles.len()), (roles, profiles));
        let again = plan_repair(&binding, &desired, &account.observe(&binding));
        prop_assert!(again.is_empty(), "{:?}", again.stages);
    }

    #[test]
    fn a_teardown_removes_any_part_of_our_resources_and_leaves_others(
        mut binding in bindings(),
        parts in parts(),
        seed: usize,
        names_are_taken: bool,
    ) {
        let mut account = start(&mut binding, &parts);
        let (role, profile) = foreign();
        let other_role = "other".parse().expect("a role");
        let other_profile: ProfileName = "other".parse().expect("a profile");
        let name = binding.resource_name();
        if names_are_taken && !parts.role {
            account.roles.insert(name.clone(), role.clone());
        }
        if names_are_taken && !parts.profile {
            account.profiles.insert(name.clone().into(), profile.clone());
        }
        account.roles.insert(other_role, role);
        account.profiles.insert(other_profile, profile);
        let not_ours = |account: &Account| {
            let mut rest = account.clone();
            rest.roles.retain(|_, role| role.id != "AROAOURS");
            rest.profiles.retain(|_, profile| profile.id != "AIPAOURS");
            rest
        };
        let before = not_ours(&account);
        let going = deleting(binding);
        let teardown = planned(&going, &account.observe(&going));
        run(&mut account, &teardown, seed);
        prop_assert_eq!(&account, &before, "none of our resources exists, and all of theirs do");
        let taken = names_are_taken && !(parts.role && parts.profile);
        prop_assert_eq!(teardown.left.is_empty(), !taken);
        prop_assert!(planned(&going, &account.observe(&going)).is_empty());
    }

    #[test]
    fn a_blocked_teardown_finishes_once_the_blocker_is_gone(mut binding in bindings(), parts in parts(), seed: usize) {
        let parts = Parts { role: true, ..parts };
        let mut account = start(&mut binding, &parts);
        let theirs: ProfileName = "theirs".parse().expect("a profile");
        let profile = Profile { role: Some(binding.resource_name()), ..foreign().1 };
        account.profiles.insert(theirs.clone(), profile.clone());
        let going = deleting(binding);
        let blocked = planned(&going, &account.observe(&going));
        prop_assert_eq!(blocked.blockers.len(), 1);
        run(&mut account, &blocked, seed);
        prop_assert_eq!(account.profiles.get(&theirs), Some(&profile));
        let role = account.roles.get(&going.resource_name());
        let role = role.expect("the account still has the role");
        prop_assert!(role.inline.is_empty() && role.attached.is_empty());

        account.profiles.remove(&theirs);
        let free = planned(&going, &account.observe(&going));
        run(&mut account, &free, seed);
        prop_assert!(account.roles.is_empty() && account.profiles.is_empty());
    }
}

#[test]
fn pass_through_creates_its_profile_and_does_not_change_the_role() {
    let mut account = Account::default();
    let admins: RoleName = "engine".parse().expect("a role");
    account.roles.insert(admins.clone(), foreign().0);
    let before = account.roles.clone();
    let ours = binding_of(pass_through_spec("engine", None));
    let make = planned(&ours, &account.observe(&ours));
    run(&mut account, &make, 0);
    let profile = account.profiles.values().next().expect("a profile");
    assert_eq!(profile.role.as_ref(), Some(&admins));
    assert!(planned(&ours, &account.observe(&ours)).is_empty());
    let going = deleting(ours);
    let teardown = planned(&going, &account.observe(&going));
    run(&mut account, &teardown, 0);
    assert!(account.profiles.is_empty());
    assert_eq!(account.roles, before);
}
