//! A bundle behind a URL, with a server on the loopback address that does what each test tells it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use super::*;

/// What the server answers next, and what it was asked.
#[derive(Default)]
struct Office {
    answer: Mutex<Vec<u8>>,
    slow: Mutex<Option<Duration>>,
    asked: Mutex<Vec<String>>,
}

struct Served {
    office: Arc<Office>,
    url: String,
}

impl Office {
    fn serve() -> Served {
        let office = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/bundle.tar.gz", listener.local_addr().unwrap());
        let of_thread = Arc::downgrade(&office);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), Some(office)) = (stream, of_thread.upgrade()) else { return };
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => break,
                        Ok(read) => request.extend_from_slice(&buffer[..read]),
                    }
                }
                office.asked.lock().unwrap().push(String::from_utf8(request).unwrap().to_lowercase());
                let (answer, slow) = (office.answer.lock().unwrap().clone(), *office.slow.lock().unwrap());
                if let Some(pause) = slow {
                    std::thread::sleep(pause);
                }
                // The client hangs up on an answer that is too long.
                let _ = stream.write_all(&answer);
            }
        });
        Served { office, url }
    }
}

impl Served {
    fn answers(&self, status: &str, headers: &str, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
            body.len()
        );
        *self.office.answer.lock().unwrap() = [head.as_bytes(), body].concat();
    }

    fn gives(&self, house: &House, etag: &str) {
        self.answers("200 OK", &format!("etag: {etag}\r\n"), &house.archive());
    }

    fn last_request(&self) -> String {
        self.office.asked.lock().unwrap().last().unwrap().clone()
    }

    fn config(&self, house: &House) -> BundleConfig {
        BundleConfig { paths: Vec::new(), url: Some(self.url.clone()), timeout_seconds: 60, ..house.config() }
    }
}

fn refused_for(keeper: &BundleKeeper) -> Refused {
    keeper.status().refused.unwrap()
}

#[test]
fn a_bundle_is_fetched_confirmed_by_its_etag_and_replaced() {
    let (house, served) = (House::new(), Office::serve());
    house.write("token", "sesame\n");
    served.gives(&house, "\"one\"");
    let config = BundleConfig {
        max_age_seconds: Some(60),
        token_file: Some(house.path("token")),
        ..served.config(&house)
    };
    let keeper = house.open(&config).unwrap();
    let first = served.last_request();
    assert!(first.contains("authorization: bearer sesame") && !first.contains("if-none-match"), "{first}");
    assert_eq!(keeper.status().url.as_deref(), Some(&*served.url));

    served.answers("304 Not Modified", "", b"");
    house.advance(50);
    assert_eq!(keeper.look(), Look::Unchanged);
    assert!(served.last_request().contains("if-none-match: \"one\""));
    house.advance(50);
    assert!(!keeper.is_stale(house.clock.now()), "304 confirms");
    served.gives(&house, "\"again\"");
    assert_eq!(keeper.look(), Look::Unchanged, "the same content under another tag");

    house.write("bundle/house.rego", &rules("second"));
    served.gives(&house, "\"two\"");
    assert_eq!(keeper.look(), Look::Loaded);
    served.answers("304 Not Modified", "", b"");
    assert_eq!(keeper.look(), Look::Unchanged);
    assert!(served.last_request().contains("if-none-match: \"two\""));
}

#[test]
fn a_refused_bundle_is_not_confirmed_by_304() {
    let (house, served) = (House::new(), Office::serve());
    served.gives(&house, "\"one\"");
    let keeper = house.open(&BundleConfig { max_age_seconds: Some(60), ..served.config(&house) }).unwrap();
    house.write("bundle/house.rego", "package");
    served.gives(&house, "\"bad\"");
    assert_eq!(keeper.look(), Look::Refused);
    served.answers("304 Not Modified", "", b"");
    house.advance(61);
    assert_eq!(keeper.look(), Look::Unchanged);
    assert!(served.last_request().contains("if-none-match: \"bad\""));
    assert!(keeper.is_stale(house.clock.now()), "the source says that another bundle is its own");
    assert_eq!(refused_for(&keeper).code, "bundle.rego");
}

#[test]
fn a_server_that_fails_in_any_way_leaves_the_old_bundle_in_force() {
    let (house, served) = (House::new(), Office::serve());
    served.gives(&house, "\"one\"");
    let keeper = house.open(&served.config(&house)).unwrap();
    let digest = keeper.status().digest;
    let elsewhere = Office::serve();
    elsewhere.gives(&house, "\"x\"");
    let redirect = format!("location: {}\r\n", elsewhere.url);
    for (status, headers, why) in [
        ("500 Internal Server Error", "", "500"),
        ("404 Not Found", "", "404"),
        ("401 Unauthorized", "", "401"),
        ("302 Found", &*redirect, "redirect"),
        ("308 Permanent Redirect", &redirect, "redirect"),
        ("206 Partial Content", "", "206"),
    ] {
        served.answers(status, headers, b"");
        assert_eq!(keeper.look(), Look::Refused, "{status}");
        let refused = refused_for(&keeper);
        assert_eq!(refused.code, "bundle.unreachable");
        assert!(refused.message.contains(why), "{}", refused.message);
        served.answers("304 Not Modified", "", b"");
        assert_eq!(keeper.look(), Look::Restored);
    }
    assert!(elsewhere.office.asked.lock().unwrap().is_empty(), "no redirect is followed");

    served.answers("200 OK", "", b"no archive");
    assert_eq!(keeper.look(), Look::Refused);
    assert_eq!(refused_for(&keeper).code, "bundle.archive");
    served.answers("200 OK", "", &vec![0; 33 << 20]);
    assert_eq!(keeper.look(), Look::Refused);
    assert!(refused_for(&keeper).message.contains("more than"), "{:?}", refused_for(&keeper));
    assert_eq!(keeper.status().digest, digest);
    assert_eq!(keeper.look(), Look::Unchanged, "the same failure is told once");
}

#[test]
fn a_server_that_is_too_slow_leaves_the_old_bundle_in_force() {
    let (house, served) = (House::new(), Office::serve());
    served.gives(&house, "\"one\"");
    let keeper = house.open(&BundleConfig { timeout_seconds: 4, ..served.config(&house) }).unwrap();
    let digest = keeper.status().digest;
    *served.office.slow.lock().unwrap() = Some(Duration::from_secs(5));
    assert_eq!(keeper.look(), Look::Refused);
    assert_eq!(refused_for(&keeper).code, "bundle.unreachable");
    assert_eq!(keeper.status().digest, digest);
}

#[test]
fn a_304_that_nobody_asked_for_is_no_bundle() {
    let (house, served) = (House::new(), Office::serve());
    served.answers("304 Not Modified", "", b"");
    assert_eq!(house.open(&served.config(&house)).unwrap_err().code, "bundle.unreachable");
}

#[test]
fn a_start_without_the_url_takes_the_bundle_that_was_in_force_while_it_holds() {
    let (house, served) = (House::new(), Office::serve());
    house.sign(3);
    served.gives(&house, "\"one\"");
    let config = BundleConfig {
        max_age_seconds: Some(7_200),
        signature: house.signed_config().signature,
        ..served.config(&house)
    };
    let digest = house.open(&config).unwrap().status().digest;

    served.answers("503 Service Unavailable", "", b"");
    house.advance(3_600);
    let keeper = house.open(&config).unwrap();
    let status = keeper.status();
    assert_eq!((status.digest, status.sequence), (digest, Some(3)));
    assert_eq!(refused_for(&keeper).code, "bundle.unreachable");
    let last = house.events().pop().unwrap();
    assert_eq!(last, (EventKind::Restored, Some("bundle.unreachable".into())));
    assert!(!keeper.is_stale(house.clock.now()));
    house.advance(3_601);
    assert!(keeper.is_stale(house.clock.now()), "its age does not begin anew with a start");
    served.gives(&house, "\"one\"");
    assert_eq!(keeper.look(), Look::Restored);
    assert!(!keeper.is_stale(house.clock.now()));

    served.answers("503 Service Unavailable", "", b"");
    let other = House::new();
    let stranger = SignatureConfig { key_file: other.path("key.pem"), key_id: None, scope: None };
    let error = house.open(&BundleConfig { signature: Some(stranger), ..config.clone() }).unwrap_err();
    assert!(error.message.contains("bundle.signature_invalid"), "{error}");
    house.advance(86_400);
    let error = house.open(&config).unwrap_err();
    assert!(error.message.contains("bundle.expired"), "{error}");
}

#[test]
fn a_kept_bundle_that_was_changed_on_disk_is_not_started_with() {
    let (house, served) = (House::new(), Office::serve());
    served.gives(&house, "\"one\"");
    let digest = house.open(&served.config(&house)).unwrap().status().digest;
    let file = format!("audit/bundles/{digest}.json");
    let text = std::fs::read_to_string(house.path(&file)).unwrap();
    house.write(&file, &text.replace("fine", "mine"));
    served.answers("503 Service Unavailable", "", b"");
    let error = house.open(&served.config(&house)).unwrap_err();
    assert!(error.message.contains("bundle.kept"), "{error}");
}

#[tokio::test]
async fn a_fetch_works_from_within_a_runtime() {
    let (house, served) = (House::new(), Office::serve());
    served.gives(&house, "\"one\"");
    assert!(house.open(&served.config(&house)).is_ok());
}
