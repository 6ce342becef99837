//! An authority of the test's own, and the certificates it issues.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use tempfile::TempDir;

pub(crate) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Its own certificate is in `ca.pem`.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Test Authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// A certificate for a name, in `NAME.pem` and `NAME.key`, that is valid for long.
    pub(crate) fn issue(&self, name: &str) {
        self.issue_until(name, name, 2096);
    }

    /// A certificate for a name in files of another, valid to the beginning of this year.
    pub(crate) fn issue_until(&self, file: &str, name: &str, year: i32) {
        let (certificate, key) = self.made(name, year);
        self.write(&format!("{file}.pem"), &certificate);
        self.write(&format!("{file}.key"), &key);
    }

    /// A certificate for a name in files of another that is not like others.
    pub(crate) fn issue_odd(
        &self,
        file: &str,
        name: &str,
        shape: impl FnOnce(&mut CertificateParams),
    ) {
        let (certificate, key) = self.shaped(name, shape);
        self.write(&format!("{file}.pem"), &certificate);
        self.write(&format!("{file}.key"), &key);
    }

    pub(crate) fn made(&self, name: &str, year: i32) -> (String, String) {
        self.shaped(name, |params| params.not_after = date_time_ymd(year, 1, 1))
    }

    fn shaped(&self, name: &str, shape: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        shape(&mut params);
        let made = params.signed_by(&key, &self.issuer).unwrap();
        (made.pem(), key.serialize_pem())
    }

    /// Replaces a file at once, as tools that renew certificates do.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let (path, new) = (self.path(file), self.path("new"));
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// The pair of a file name as the configuration has it.
    pub(crate) fn pair(&self, file: &str) -> String {
        let show = |path: &Path| path.display().to_string();
        format!(
            "certificate = \"{}\", key = \"{}\"",
            show(&self.path(&format!("{file}.pem"))),
            show(&self.path(&format!("{file}.key")))
        )
    }
}
