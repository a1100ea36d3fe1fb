//! The files of the guide of deployment: the unit, the Dockerfile, the file of Compose and the manifest, compared with what
//! the library needs. What can be asked here is asked: `systemd-analyze`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::settings::{unit, yaml};
use super::{block, blocks, guide, is_installed};

/// The variables that the program of the guide reads, as it says.
const VARIABLES: [&str; 3] = ["JWTAUTH_ADDR", "JWTAUTH_DATA", "JWTAUTH_SECRET_FILE"];

/// M-19: the program of the guide reads what the files set, and waits for the signal that they send.
#[test]
fn m_19_the_program_of_the_guide_reads_what_the_files_set() {
    let program = blocks(&guide("deployment"), "no_run").remove(0);
    for variable in VARIABLES {
        assert!(program.contains(&format!("env::var(\"{variable}\")")), "{variable}");
    }
    assert!(
        program.contains("let stop = shutdown_signal();") && program.contains(", stop, Some("),
        "{program}"
    );
    assert!(program.contains(r#".at("/health", get(health))"#), "the probes ask a route of its own");
}

/// M-19: the unit.
#[test]
fn m_19_the_unit_has_what_the_library_needs() {
    let text = block("deployment", "ini");
    let settings = unit(&text);
    let all = |name: &str| -> Vec<&str> {
        settings.iter().filter(|(_, own, _)| own == name).map(|(.., value)| value.as_str()).collect()
    };
    let one = |name: &str| -> String {
        let [value] = all(name)[..] else { panic!("{name} once: {:?}", all(name)) };
        value.into()
    };
    for (name, value) in [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("NoNewPrivileges", "yes"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("KillSignal", "SIGTERM"),
        ("Restart", "on-failure"),
    ] {
        assert_eq!(one(name), value, "{name}");
    }
    // What is written is what may be written, and the secret comes from where it is loaded to.
    let environment: BTreeMap<_, _> =
        all("Environment").into_iter().filter_map(|line| line.split_once('=')).collect();
    assert!(VARIABLES.iter().all(|name| environment.contains_key(name)), "{environment:?}");
    assert_eq!(environment["JWTAUTH_DATA"], format!("%S/{}", one("StateDirectory")));
    let credential = one("LoadCredential");
    let (id, source) = credential.split_once(':').unwrap();
    assert_eq!(environment["JWTAUTH_SECRET_FILE"], format!("%d/{id}"));
    assert!(guide("deployment").contains(&format!("openssl rand -base64 48 > {source}")));
    assert!(one("RestrictAddressFamilies").split(' ').any(|family| family == "AF_INET"), "it listens");
    let seconds = |name: &str| -> u32 { one(name).parse().unwrap() };
    assert!(seconds("TimeoutStopSec") >= 2, "a second to end, and one more");
    assert!(seconds("LimitNOFILE") >= 1024);
}

/// M-19: systemd takes the unit, and finds little to say of it.
#[test]
fn m_19_systemd_verifies_the_unit() {
    if !is_installed("systemd-analyze") {
        println!("skipped: needs systemd-analyze");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.service");
    // The program itself is not there.
    fs::write(&path, block("deployment", "ini").replace("/usr/local/bin/shop", "/bin/true")).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&path).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (is_good, said) = analyze(&["verify"]);
    assert!(is_good && !said.contains("shop.service"), "{said}");
    let (is_good, said) = analyze(&["security", "--offline=true", "--threshold=20"]);
    assert!(is_good || !said.contains("Overall exposure"), "2.0 of 10 at most: {said}");
}

/// M-19: the image.
#[test]
fn m_19_the_image_runs_as_nobody_and_gets_the_signal() {
    let text = block("deployment", "dockerfile");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    assert!(last > 0, "two stages: what builds is left behind");
    let line = |name: &str| -> &str {
        let found: Vec<_> =
            lines[last..].iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect();
        found.last().unwrap_or_else(|| panic!("no {name}"))
    };
    // A list, so that the program is the first process and no shell.
    let entry: Vec<String> = serde_json::from_str(line("ENTRYPOINT")).unwrap();
    assert_eq!(entry.len(), 1);
    assert!(
        lines[last..].iter().any(|line| line.ends_with(&format!(" {}", entry[0]))),
        "it is copied: {}",
        entry[0]
    );
    assert_eq!(line("STOPSIGNAL"), "SIGTERM");
    let user = line("USER");
    assert!(
        user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)),
        "not root, and by number: {user}"
    );
    let volume = line("VOLUME");
    assert!(text.contains(&format!("--chown={user} /data {volume}")), "the volume is the user's");
    assert!(
        line("ENV").contains(&format!("JWTAUTH_DATA={volume}"))
            && line("ENV").contains("JWTAUTH_ADDR=0.0.0.0:")
    );
    // Both stages have one system: a program that was linked with a newer one does not start.
    let stages: Vec<_> = lines.iter().filter(|line| line.starts_with("FROM ")).collect();
    assert!(stages[0].contains("bookworm") && stages[1].contains("debian12"), "{stages:?}");
}

/// M-19: the container that Compose starts.
#[test]
fn m_19_compose_gives_the_container_no_more_than_it_needs() {
    let text = blocks(&guide("deployment"), "yaml").remove(0);
    let settings: BTreeMap<_, _> = yaml(&text).into_iter().collect();
    let value = |path: &str| {
        settings.get(path).map(String::as_str).unwrap_or_else(|| panic!("no {path}: {settings:#?}"))
    };
    assert_eq!(value("services.shop.read_only"), "true");
    assert_eq!(value("services.shop.cap_drop"), r#"["ALL"]"#);
    assert!(value("services.shop.security_opt").contains("no-new-privileges:true"));
    assert!(value("services.shop.ports").starts_with(r#"["127.0.0.1:"#), "not past the firewall");
    assert!(value("services.shop.volumes").ends_with(r#":/data"]"#));
    let secret = value("services.shop.environment.JWTAUTH_SECRET_FILE")
        .strip_prefix("/run/secrets/")
        .unwrap()
        .to_owned();
    assert_eq!(value("services.shop.secrets"), format!(r#"["{secret}"]"#));
    assert_eq!(value(&format!("secrets.{secret}.file")), format!("./{secret}"));
    assert!(settings.contains_key("services.shop.mem_limit"));
}

/// M-19: the manifest.
#[test]
fn m_19_the_manifest_is_for_one_process_and_one_volume() {
    let text = blocks(&guide("deployment"), "yaml").remove(1);
    let documents: Vec<BTreeMap<String, String>> =
        text.split("---\n").map(|text| yaml(text).into_iter().collect()).collect();
    let of =
        |kind: &str| documents.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let deployment = of("Deployment");
    let value = |path: &str| {
        deployment.get(path).map(String::as_str).unwrap_or_else(|| panic!("no {path}: {deployment:#?}"))
    };
    assert_eq!((value("spec.replicas"), value("spec.strategy.type")), ("1", "Recreate"));
    let pod = "spec.template.spec.";
    let pod_value = |path: &str| value(&format!("{pod}{path}"));
    assert_eq!(pod_value("securityContext.runAsNonRoot"), "true");
    assert_eq!(pod_value("securityContext.fsGroup"), pod_value("securityContext.runAsGroup"));
    assert_eq!(pod_value("automountServiceAccountToken"), "false");
    assert!(pod_value("terminationGracePeriodSeconds").parse::<u32>().unwrap() >= 2);
    assert_eq!(pod_value("containers.0.securityContext.readOnlyRootFilesystem"), "true");
    assert_eq!(pod_value("containers.0.securityContext.allowPrivilegeEscalation"), "false");
    assert_eq!(pod_value("containers.0.securityContext.capabilities.drop"), r#"["ALL"]"#);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(pod_value(&format!("containers.0.{probe}.httpGet.path")), "/health");
    }
    // The variables name what is mounted.
    let variables: BTreeMap<_, _> = (0..3)
        .map(|n| {
            (
                pod_value(&format!("containers.0.env.{n}.name")),
                pod_value(&format!("containers.0.env.{n}.value")),
            )
        })
        .collect();
    assert_eq!(variables.keys().copied().collect::<Vec<_>>(), VARIABLES);
    assert_eq!(variables["JWTAUTH_DATA"], pod_value("containers.0.volumeMounts.0.mountPath"));
    let secrets = pod_value("containers.0.volumeMounts.1.mountPath");
    let file = variables["JWTAUTH_SECRET_FILE"].strip_prefix(&format!("{secrets}/")).unwrap();
    assert_eq!(
        pod_value("volumes.1.secret.defaultMode"),
        "0440",
        "readable by the group, which is fsGroup's"
    );
    let name = pod_value("volumes.1.secret.secretName");
    assert!(
        guide("deployment").contains(&format!("kubectl create secret generic {name} --from-file={file}="))
    );
    let claim = of("PersistentVolumeClaim");
    assert_eq!(pod_value("volumes.0.persistentVolumeClaim.claimName"), claim["metadata.name"]);
    assert!(claim["spec.accessModes"].contains("ReadWriteOnce"), "one node, or one pod");
    assert_eq!(of("Service")["spec.ports.0.targetPort"], pod_value("containers.0.ports.0.name"));
}
