//! Three machines with Patroni and etcd, as the guide `scaling` says: the machine of the leader dies under load.

use std::time::{Duration, Instant};

use jwtauth::PostgresConfig;
use tests::patroni::Cluster;
use tests::{bounded_by, certificate};

use super::failover::Load;

/// Returns a block of the guide that begins with a comment.
fn block(kind: &str, file: &str) -> String {
    let guide = include_str!("../../../jwtauth/src/docs/scaling.md");
    let found = guide.split(&format!("\n```{kind}\n{file}\n")).nth(1);
    found.unwrap_or_else(|| panic!("{file} is in the guide")).split("```").next().unwrap().to_owned()
}

/// Returns what the machine with a number writes in the place of the first one.
fn of(number: usize, text: &str) -> String {
    let lines = text.lines().map(|line| {
        // The list of all machines is the same on each.
        if line.contains("10.0.0.22") {
            return line.to_owned();
        }
        line.replace("db1", &format!("db{number}")).replace("10.0.0.21", &format!("10.0.0.2{number}"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Asks Patroni of a machine over HTTP, as a load balancer does. `None` if nobody answers.
async fn status(address: &str, path: &str) -> Option<u16> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
    let answer = client.get(format!("http://{address}:8008/{path}")).send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

/// Waits until so many machines answer 200.
async fn until(cluster: &Cluster, path: &str, wanted: usize) {
    let since = Instant::now();
    loop {
        let mut found = 0;
        for node in &cluster.nodes {
            found += usize::from(status(&node.address, path).await == Some(200));
        }
        if found == wanted {
            return;
        }
        let logs = || cluster.nodes.iter().map(tests::patroni::ClusterNode::log).collect::<String>();
        assert!(since.elapsed() < Duration::from_secs(120), "{path}: {found} of {wanted}: {}", logs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Returns which machine has the primary.
async fn leader(cluster: &Cluster) -> usize {
    for (number, node) in cluster.nodes.iter().enumerate() {
        if status(&node.address, "primary").await == Some(200) {
            return number;
        }
    }
    panic!("nobody leads");
}

/// Makes role and database, with the commands of the guide.
fn prepare(cluster: &Cluster, leader: &str) {
    let sql = block("sql", "-- psql").replace("PASSWORD '..'", "PASSWORD 'another'");
    let url = format!("postgres://postgres:one@{leader}/postgres?sslmode=require");
    for statement in sql.lines() {
        let ran = cluster.psql().args([&url, "-c", statement]).output().unwrap();
        assert!(ran.status.success(), "{statement}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

/// R-1, N-5: none of what was acknowledged is lost or undone when the machine of the leader dies.
#[test]
fn r_1_patroni_fails_over_and_loses_nothing_that_was_acknowledged() {
    one_machine_dies(|_, hosts| Some(hosts));
}

/// Likewise, with one address for all of them.
#[test]
fn r_1_patroni_behind_haproxy_loses_nothing_that_was_acknowledged() {
    one_machine_dies(|cluster, _| cluster.balance(&block("text", "# /etc/haproxy/haproxy.cfg")));
}

/// `hosts` says what stands in the URL. `None` if something is not on this machine.
fn one_machine_dies(hosts: impl FnOnce(&mut Cluster, String) -> Option<String>) {
    let Some(mut cluster) = Cluster::prepare() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let [authority_file, pem, key] = ["ca.pem", "db.pem", "db.key"].map(|name| path.join(name));
    let addresses = cluster.addresses(3);
    if !certificate::is_there() {
        println!("skipped: needs openssl");
        return;
    }
    certificate::authority(path, "ca");
    let Some(hosts) = hosts(&mut cluster, addresses.join(",")) else { return };
    let all = addresses.iter().map(String::as_str).chain(hosts.split(','));
    let names = all.map(|address| format!("IP:{address}")).collect::<Vec<_>>().join(",");
    certificate::signed(path, "ca", "db", &names);
    cluster.give(path, &[&pem, &key]);
    bounded_by(Duration::from_secs(300), async {
        let (etcd, patroni) =
            (block("sh", "# /etc/default/etcd"), block("yaml", "# /etc/patroni/config.yml"));
        let own = [("/etc/shop/db.pem", &*pem), ("/etc/shop/db.key", &*key)];
        for number in 1..=3 {
            cluster.start(&of(number, &etcd), &of(number, &patroni), &own);
        }
        until(&cluster, "primary", 1).await;
        until(&cluster, "replica", 2).await;
        until(&cluster, "synchronous", 1).await;
        let leads = leader(&cluster).await;
        prepare(&cluster, &addresses[leads]);
        let url = format!("postgres://shop:another@{hosts}/shop?sslmode=require");
        let config = PostgresConfig::new(url).root_certificates(&authority_file);
        let mut load = Load::start(config).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let leads = leader(&cluster).await;
        cluster.nodes.remove(leads).kill();
        let since = Instant::now();
        load.first_change().await;
        let outage = since.elapsed();
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("{}, {} ms until the next change", load.end().await, outage.as_millis());
        until(&cluster, "primary", 1).await;
    });
}
