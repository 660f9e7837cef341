use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose,
    NameConstraints as Limits, date_time_ymd,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::*;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn client(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::NoCa;
    params.key_usages = Vec::new();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn authority(params: CertificateParams) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(params, key()).expect("a certificate")
}

fn at(year: i32) -> DateTime<Utc> {
    format!("{year}-06-01T00:00:00Z").parse().expect("a time")
}

fn read(pem: &str, now: DateTime<Utc>) -> Result<ClientAuthorities, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ClientAuthorities::read(pem.as_bytes(), provider, now).map_err(|error| error.to_string())
}

#[test]
fn only_valid_certificates_of_authorities_that_may_sign_are_accepted() {
    let mut no_signing = params("no-signing");
    no_signing.key_usages = vec![KeyUsagePurpose::CrlSign];
    let mut explicit = params("explicit");
    explicit.is_ca = IsCa::ExplicitNoCa;
    let mut without_usage = params("without-usage");
    without_usage.key_usages = Vec::new();
    let no_authority = "is not one of an authority: its basic constraints do not say CA:TRUE";
    for (params, year, expected) in [
        (params("good"), 2030, None),
        (without_usage, 2030, None),
        (client("leaf"), 2030, Some(("CN=leaf", no_authority))),
        (explicit, 2030, Some(("CN=explicit", no_authority))),
        (
            no_signing,
            2030,
            Some((
                "CN=no-signing",
                "may not sign certificates: its key usage does not have keyCertSign",
            )),
        ),
        (params("old"), 2041, Some(("CN=old", "has expired"))),
        (params("new"), 2019, Some(("CN=new", "is not valid yet"))),
        (params("a\nb"), 2041, Some(("CN=a\\0ab", "has expired"))),
    ] {
        let read = read(&authority(params).pem(), at(year)).map(|_| ());
        let expected = expected.map_or(Ok(()), |(subject, rule)| {
            Err(format!("the certificate of {subject} {rule}"))
        });
        assert_eq!(read, expected);
    }
}

#[test]
fn one_bad_certificate_among_good_ones_is_found_and_too_many_are_refused() {
    let good = authority(params("good")).pem();
    let leaf = authority(client("leaf")).pem();
    let error = read(&format!("{good}{leaf}{good}"), at(2030)).expect_err("a leaf");
    assert!(error.contains("CN=leaf"), "{error}");
    assert!(read(&good.repeat(100), at(2030)).is_ok());
    let error = read(&good.repeat(101), at(2030)).expect_err("too many");
    assert!(error.contains("at most 100"), "{error}");
    let long = authority(params(&"a".repeat(1_000))).pem();
    let error = read(&long.repeat(40), at(2030)).expect_err("too long");
    assert!(error.contains("32 KiB"), "{error}");
}

#[test]
fn what_an_authority_has_signed_is_refused_once_the_authority_has_expired() {
    let first = authority(params("first"));
    let mut later = params("later");
    later.not_after = date_time_ymd(2060, 1, 1);
    let later = authority(later);
    let both = format!("{}{}", first.pem(), later.pem());
    let authorities = read(&both, at(2030)).expect("two authorities");
    let alone = read(&first.pem(), at(2030)).expect("one authority");
    let verify = |by: &CertifiedIssuer<'_, KeyPair>, authorities: &ClientAuthorities, year| {
        let certificate = client("client").signed_by(&key(), by).expect("signed");
        let now = u64::try_from(at(year).timestamp()).expect("after 1970");
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
        let verified = authorities.verify_client_cert(certificate.der(), &[], now);
        verified.is_ok()
    };
    for (year, by_first, by_later) in [(2030, true, true), (2041, false, true)] {
        assert_eq!(verify(&first, &authorities, year), by_first, "{year}");
        assert_eq!(verify(&later, &authorities, year), by_later, "{year}");
        assert_eq!(verify(&first, &alone, year), by_first, "{year}");
    }
    assert_eq!(authorities.expired(at(2030)), [""; 0]);
    assert_eq!(authorities.expired(at(2041)), ["CN=first"]);
}

#[test]
fn limits_on_names_are_found_in_the_chain_and_in_the_authority_that_signed_it() {
    let limited = |name| {
        let mut params = params(name);
        params.name_constraints = Some(Limits {
            permitted_subtrees: vec![GeneralSubtree::DnsName("team-a.example".to_owned())],
            excluded_subtrees: Vec::new(),
        });
        params
    };
    let root = authority(params("root"));
    let limited_root = authority(limited("limited-root"));
    let pem = format!("{}{}", root.pem(), limited_root.pem());
    let authorities = read(&pem, at(2030)).expect("two authorities");
    let between = |params| CertifiedIssuer::signed_by(params, key(), &root).expect("signed");
    let (free, team) = (between(params("free")), between(limited("team")));
    let signed = |by: &CertifiedIssuer<'_, KeyPair>| {
        let signed = client("client").signed_by(&key(), by).expect("signed");
        signed.der().clone()
    };
    for (chain, expected) in [
        (vec![signed(&root)], false),
        (vec![signed(&free), free.der().clone()], false),
        (vec![signed(&team), team.der().clone()], true),
        (
            vec![signed(&team), free.der().clone(), team.der().clone()],
            true,
        ),
        (vec![signed(&limited_root)], true),
        (vec![signed(&root), CertificateDer::from(vec![1, 2])], true),
    ] {
        assert_eq!(authorities.limit_names(&chain), expected);
    }
}
