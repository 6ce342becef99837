//! Pairs that match, and everything that can be wrong with one.

use std::fs;

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};

use super::{days as days_of, *};
use crate::tls::testing::{NOW, World};

/// The only flaw of a pair, which is fatal or not.
fn flaw(world: &World, certificate: &str, key: &str, fatal: bool) -> String {
    let files = world.write(certificate, key);
    let read = Pair::read(&files, NOW);
    assert_eq!(read.is_err(), fatal, "{read:?}");
    let flaws = read.map_or_else(|fatal| fatal, |(_, doubts)| doubts);
    assert_eq!(flaws.len(), 1, "{flaws:?}");
    assert_eq!(flaws[0].fatal, fatal);
    flaws[0]
        .to_string()
        .replace(&world.folder.path().display().to_string(), "DIR")
}

#[test]
fn a_pair_that_matches_has_its_names_and_its_time() {
    let world = World::new();
    let (certificate, key) = world.issue("A.test", (2026, 2027));
    let chain = certificate + &world.issuer.pem();
    let (pair, flaws) = Pair::read(&world.write(&chain, &key), NOW).unwrap();
    assert_eq!(flaws, []);
    assert_eq!(pair.names, ["a.test"]);
    assert_eq!(pair.not_before.to_string(), "2026-01-01T00:00:00.000Z");
    assert_eq!(pair.not_after.to_string(), "2027-01-01T00:00:00.000Z");
}

#[test]
fn a_key_of_another_certificate_is_never_served() {
    let world = World::new();
    let ((one, _), (_, other)) = (
        world.issue("a.test", (2026, 2027)),
        world.issue("a.test", (2026, 2027)),
    );
    let said = flaw(&world, &one, &other, true);
    assert!(
        said.contains("key DIR/site.key does not match the certificate DIR/site.pem"),
        "{said}"
    );
}

#[test]
fn a_chain_in_the_wrong_order_is_told() {
    let world = World::new();
    let (certificate, key) = world.issue("a.test", (2026, 2027));
    let root = world.issuer.pem();
    let said = flaw(&world, &(root.clone() + &certificate), &key, true);
    assert!(said.contains("belongs to certificate 2"), "{said}");
    let said = flaw(
        &world,
        &(certificate.clone() + &certificate + &root),
        &key,
        false,
    );
    assert!(
        said.contains("certificate 2 in DIR/site.pem did not issue"),
        "{said}"
    );
}

#[test]
fn a_certificate_outside_its_time_is_served_and_told() {
    let world = World::new();
    let (old, key) = world.issue("a.test", (2020, 2026));
    let said = flaw(&world, &old, &key, false);
    assert!(
        said.contains("expired 151 days ago, at 2026-01-01"),
        "{said}"
    );
    let (new, key) = world.issue("a.test", (2027, 2028));
    let said = flaw(&world, &new, &key, false);
    assert!(said.contains("not valid before 2027-01-01"), "{said}");
}

#[test]
fn a_file_that_is_something_else_says_what_it_is() {
    let world = World::new();
    let (certificate, key) = world.issue("a.test", (2026, 2027));
    let said = flaw(&world, &key, &key, true);
    assert!(
        said.contains("site.pem has a private key, but no certificate"),
        "{said}"
    );
    let said = flaw(&world, &certificate, &certificate, true);
    assert!(
        said.contains("site.key has a certificate, but no private key"),
        "{said}"
    );
    let said = flaw(&world, "hello", &key, true);
    assert!(said.contains("site.pem is not PEM"), "{said}");
    let said = flaw(&world, "0\u{1}", &key, true);
    assert!(
        said.contains("is DER, not PEM; convert it: openssl x509"),
        "{said}"
    );
    let cut = &certificate[..certificate.len() / 2];
    let said = flaw(&world, cut, &key, true);
    assert!(
        said.contains("is damaged: a -----BEGIN line has no -----END"),
        "{said}"
    );
}

#[test]
fn an_encrypted_key_is_told_how_to_be_decrypted() {
    let world = World::new();
    let (certificate, _) = world.issue("a.test", (2026, 2027));
    let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0\n\n\
               AAAA\n-----END RSA PRIVATE KEY-----\n";
    for key in [new, old] {
        let said = flaw(&world, &certificate, key, true);
        assert!(said.contains("is encrypted"), "{said}");
        assert!(said.contains("openssl pkey -in DIR/site.key"), "{said}");
    }
}

#[test]
fn a_key_that_everyone_may_read_is_told() {
    let world = World::new();
    let (certificate, key) = world.issue("a.test", (2026, 2027));
    let files = world.write(&certificate, &key);
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, flaws) = Pair::read(&files, NOW).unwrap();
    assert!(
        flaws[0].what.contains("everyone on this machine may read"),
        "{flaws:?}"
    );
}

#[test]
fn files_that_are_not_there_are_both_told() {
    let files = Files {
        certificate: "/nowhere/a.pem".into(),
        key: "/nowhere/a.key".into(),
    };
    let flaws = Pair::read(&files, NOW).unwrap_err();
    let whats: Vec<_> = flaws.iter().map(|flaw| flaw.what.as_str()).collect();
    assert_eq!(
        whats,
        [
            "there is no file /nowhere/a.pem",
            "there is no file /nowhere/a.key"
        ]
    );
}

#[test]
fn an_rsa_key_serves_in_both_of_its_formats() {
    let world = World::new();
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let made = params.signed_by(&key, &world.issuer).unwrap();
    let files = world.write(&made.pem(), &key.serialize_pem());
    assert!(Pair::read(&files, NOW).is_ok());
    let old = std::process::Command::new("openssl")
        .args(["rsa", "-traditional", "-in"])
        .arg(&files.key)
        .output()
        .unwrap();
    let old = String::from_utf8(old.stdout).unwrap();
    assert!(old.contains("BEGIN RSA PRIVATE KEY"), "{old}");
    let files = world.write(&made.pem(), &old);
    assert!(Pair::read(&files, NOW).is_ok());
}

#[test]
fn how_long_is_told_in_days_where_that_is_enough() {
    let days = |later, earlier| days_of(WallTime(later), WallTime(earlier));
    assert_eq!(days(30 * 86_400_000, 0), "30 days");
    assert_eq!(days(47 * 3_600_000, 0), "1 day");
    assert_eq!(days(3_600_000, 0), "1h");
}
