//! Downloads from servers that misbehave: what arrives is right or does not arrive.

mod nasty;

use std::sync::Mutex;
use std::time::Duration;

use artifact::download::{Config, FetchError, Fetcher};
use artifact::{Digest, Store};
use bytes::Bytes;
use nasty::{Server, Way};

fn config() -> Config {
    Config {
        connect_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_millis(700),
        total_timeout: Duration::from_secs(60),
        rounds: 3,
        pause: Duration::from_millis(20),
        max_pause: Duration::from_millis(50),
        max_size: 1 << 30,
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
    fetcher: Fetcher,
    content: Bytes,
    digest: Digest,
    size: u64,
    path: String,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let fetcher = Fetcher::new(store.clone(), config()).unwrap();
    let content: Bytes = (0..300_000u32).map(|i| (i * 7 % 253) as u8).collect();
    let digest = Digest::of(&content);
    let size = content.len() as u64;
    Bench { _folder: folder, store, fetcher, digest, size, path: format!("/artifacts/sha256/{digest}"), content }
}

impl Bench {
    async fn server(&self, way: Way) -> Server {
        let server = Server::start().await;
        server.set(&self.path, way);
        server
    }
    async fn fetch(&self, servers: &[&Server]) -> Result<artifact::Fetched, FetchError> {
        let endpoints: Vec<String> = servers.iter().map(|s| s.endpoint.clone()).collect();
        self.fetcher.fetch(&endpoints, self.digest, self.size, |_, _| {}).await
    }
    fn assert_stored(&self) {
        assert_eq!(self.store.verified(self.digest).unwrap().1, self.size);
        assert!(!self.store.part_path(self.digest).exists());
    }
    fn flipped(&self) -> Bytes {
        let mut content = self.content.to_vec();
        content[150_000] ^= 1;
        content.into()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_and_is_not_fetched_twice() {
    let bench = bench();
    let server = bench.server(Way::Well(bench.content.clone())).await;
    let told = Mutex::new(Vec::new());
    let endpoints = [format!("{}/", server.endpoint)];
    let fetched =
        bench.fetcher.fetch(&endpoints, bench.digest, bench.size, |a, b| told.lock().unwrap().push((a, b))).await;
    let fetched = fetched.unwrap();
    assert_eq!((fetched.downloaded, fetched.from.as_ref()), (bench.size, Some(&endpoints[0])));
    assert_eq!(fetched.path, bench.store.path(bench.digest));
    bench.assert_stored();
    let told = told.into_inner().unwrap();
    assert!(told.is_sorted() && told.iter().all(|(bytes, total)| bytes <= total && *total == bench.size), "{told:?}");

    let again = bench.fetch(&[&server]).await.unwrap();
    assert_eq!((again.downloaded, again.from), (0, None));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_file_is_refused_and_named() {
    for (way, want) in [
        (|_: &Bench| Way::Status(404), "HTTP status 404"),
        (|_| Way::Status(403), "HTTP status 403"),
        (|_| Way::Status(500), "HTTP status 500"),
        (|_| Way::Status(204), "HTTP status 204"),
        (|b| Way::Well(b.flipped()), "the content has digest"),
        (|b| Way::Well(b.content.slice(..299_999)), "a body of 299999 bytes is offered, 300000 are wanted"),
        (|b| Way::Well([&b.content[..], b"x"].concat().into()), "a body of 300001 bytes"),
        (|_| Way::Endless, "longer than 300000 bytes"),
        (|b| Way::HangAfter(b.content.clone(), 0), "nothing came for 700ms"),
        (|b| Way::Short(b.content.slice(..7)), "the body ended after 7 of 300000 bytes"),
        (|b| Way::CutAfter(b.content.clone(), 0), "the body ended after 0 of 300000 bytes"),
        (|b| Way::Redirect(b.path.clone()), "a redirect to"),
    ] as [(fn(&Bench) -> Way, &str); 12]
    {
        let bench = bench();
        let server = bench.server(way(&bench)).await;
        let error = bench.fetch(&[&server]).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(want) && text.contains(&server.endpoint), "{text} should name {want}");
        assert!(!bench.store.has(bench.digest), "{want}: nothing is under the digest's name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_even_to_the_right_file() {
    let bench = bench();
    let good = bench.server(Way::Well(bench.content.clone())).await;
    let server = bench.server(Way::Redirect(format!("{}{}", good.endpoint, bench.path))).await;
    let error = bench.fetch(&[&server]).await.unwrap_err();
    assert!(error.to_string().contains("never followed"), "{error}");
    assert_eq!(good.asked(), []);
    assert_eq!(server.asked().len(), 1, "asking again would not help");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_endpoint_helps_out() {
    for way in [
        |_: &Bench| Way::Status(404),
        |_| Way::Status(503),
        |b| Way::Well(b.flipped()),
        |b| Way::HangAfter(b.content.clone(), 100_000),
        |b| Way::CutAfter(b.flipped(), 200_000),
        |_| Way::Endless,
        |_| Way::Redirect("http://127.0.0.1:1/".into()),
    ] as [fn(&Bench) -> Way; 7]
    {
        let bench = bench();
        let bad = bench.server(way(&bench)).await;
        let good = bench.server(Way::Well(bench.content.clone())).await;
        let fetched = bench.fetch(&[&bad, &good]).await.unwrap();
        assert_eq!(fetched.from, Some(good.endpoint.clone()), "{:?}", way(&bench));
        bench.assert_stored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_not_there_is_named() {
    let bench = bench();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let endpoints = [gone.clone(), "ftp://nonsense".into()];
    let error = bench.fetcher.fetch(&endpoints, bench.digest, bench.size, |_, _| {}).await.unwrap_err().to_string();
    assert!(error.contains(&gone) && error.contains("refused") && error.contains("'ftp://nonsense'"), "{error}");
    let error = bench.fetcher.fetch(&[], bench.digest, bench.size, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, FetchError::NoEndpoints(_)));
    let error = bench.fetcher.fetch(&endpoints, bench.digest, 2 << 30, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_body_is_resumed() {
    let bench = bench();
    let cut = || Way::CutAfter(bench.content.clone(), 100_000);
    let server = bench.server(Way::Then(vec![cut(), Way::Status(500), cut(), Way::Well(bench.content.clone())])).await;
    let fetched = bench.fetch(&[&server]).await.unwrap();
    assert_eq!(fetched.downloaded, bench.size, "no byte came twice");
    bench.assert_stored();
    let asked = server.asked();
    let tag = Some(format!("\"{}\"", bench.digest));
    assert_eq!((asked[0].range.as_deref(), asked[0].if_range.as_deref()), (None, None));
    assert!(asked[1..].iter().all(|a| a.range.is_some() && a.if_range == tag), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_outlives_a_restart() {
    let bench = bench();
    let server = bench.server(Way::Then(vec![Way::CutAfter(bench.content.clone(), 123_456), Way::Status(404)])).await;
    assert!(bench.fetch(&[&server]).await.is_err());
    let part = std::fs::metadata(bench.store.part_path(bench.digest)).unwrap().len();
    assert!(part > 0);
    server.set(&bench.path, Way::Well(bench.content.clone()));
    let restarted = Fetcher::new(bench.store.clone(), config()).unwrap();
    let endpoints = [server.endpoint.clone()];
    let fetched = restarted.fetch(&endpoints, bench.digest, bench.size, |_, _| {}).await.unwrap();
    assert_eq!(fetched.downloaded, bench.size - part);
    assert_eq!(server.asked().last().unwrap().range, Some(format!("bytes={part}-")));
    bench.assert_stored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_wrong_does_not_put_the_blame_on_the_endpoint() {
    for (part, requests) in [
        (vec![9; 1000], 2),    // another beginning
        (vec![9; 300_000], 1), // as long as the file
        (vec![9; 400_000], 1), // longer
    ] {
        let bench = bench();
        let server = bench.server(Way::Well(bench.content.clone())).await;
        let path = bench.store.part_path(bench.digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, part).unwrap();
        bench.fetch(&[&server]).await.unwrap();
        assert_eq!(server.asked().len(), requests);
        bench.assert_stored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_without_ranges_and_with_wrong_ones_do() {
    for (second, downloaded) in [
        (|b: &Bench| Way::Whole(b.content.clone()), 400_000),
        (|b| Way::Then(vec![Way::OtherRange(b.content.clone()), Way::Well(b.content.clone())]), 400_000),
        (|b| Way::Then(vec![Way::Status(416), Way::Well(b.content.clone())]), 400_000),
    ] as [(fn(&Bench) -> Way, u64); 3]
    {
        let bench = bench();
        let server = bench.server(Way::HangAfter(bench.content.clone(), 100_000)).await;
        let then = bench.server(second(&bench)).await;
        let fetched = bench.fetch(&[&server, &then]).await.unwrap();
        assert_eq!(fetched.downloaded, downloaded);
        bench.assert_stored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_stored_file_is_fetched_again() {
    let bench = bench();
    let server = bench.server(Way::Well(bench.content.clone())).await;
    let path = bench.fetch(&[&server]).await.unwrap().path;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bench.flipped()).unwrap();
    assert_eq!(bench.fetch(&[&server]).await.unwrap().downloaded, bench.size);
    bench.assert_stored();
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_want_the_same_share_one_download() {
    let bench = bench();
    let server = bench.server(Way::Gated(bench.content.clone())).await;
    let endpoints = vec![server.endpoint.clone()];
    let wants: Vec<_> = (0..20)
        .map(|_| {
            let (fetcher, endpoints, digest, size) =
                (bench.fetcher.clone(), endpoints.clone(), bench.digest, bench.size);
            tokio::spawn(async move { fetcher.fetch(&endpoints, digest, size, |_, _| {}).await })
        })
        .collect();
    // Another list of endpoints is another download, which waits for the part.
    let other = bench.fetcher.clone();
    let (more, digest, size) = (vec![server.endpoint.clone(), "http://127.0.0.1:1".into()], bench.digest, bench.size);
    let waits = tokio::spawn(async move { other.fetch(&more, digest, size, |_, _| {}).await });
    server.release();
    for want in wants {
        want.await.unwrap().unwrap();
    }
    waits.await.unwrap().unwrap();
    assert_eq!(server.asked().len(), 1);
    bench.assert_stored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_can_not_be_written_is_our_fault_and_said_so() {
    let bench = bench();
    let server = bench.server(Way::Well(bench.content.clone())).await;
    // A file where the folder should be: works for root too, whom modes do not stop.
    let folder = bench.store.path(bench.digest).parent().unwrap().to_owned();
    std::fs::write(&folder, b"in the way").unwrap();
    let error = bench.fetch(&[&server]).await.unwrap_err();
    assert!(matches!(error, FetchError::Local { .. }), "{error}");
    assert_eq!(server.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_nobody_awaits_stops_and_leaves_its_part() {
    let bench = bench();
    let hangs = bench.server(Way::HangAfter(bench.content.clone(), 100_000)).await;
    // Without being stopped it would hold the part for an hour.
    let patient =
        Config { idle_timeout: Duration::from_secs(3600), total_timeout: Duration::from_secs(3600), ..config() };
    let fetcher = Fetcher::new(bench.store.clone(), patient).unwrap();
    let endpoints = [hangs.endpoint.clone()];
    let part = bench.store.part_path(bench.digest);
    let come = || std::fs::metadata(&part).is_ok_and(|m| m.len() == 100_000);
    {
        let fetch = fetcher.fetch(&endpoints, bench.digest, bench.size, |_, _| {});
        let enough = async {
            while !come() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            result = fetch => panic!("{result:?}"),
            come = tokio::time::timeout(Duration::from_secs(20), enough) => come.expect("the first part comes"),
        }
    }
    let good = bench.server(Way::Well(bench.content.clone())).await;
    let again = tokio::time::timeout(Duration::from_secs(20), bench.fetch(&[&good])).await.expect("the part is free");
    assert_eq!(again.unwrap().downloaded, bench.size - 100_000);
    bench.assert_stored();
}
