//! Bearer tokens of another identity server, over real HTTP: good ones come in as what their claims say, bad ones not at all.

#[path = "identity/issuer.rs"]
mod issuer;

use issuer::{Issuer, Signer, by_secret, unsigned};
use region::config::{Auth, Config, Issuer as Trusted, Mapping};
use serde_json::{Value, json};
use testing::{Setup, Stack, Web, eventually};

const AUDIENCE: &str = "lifeboat";

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

fn claims(issuer: &Issuer) -> Value {
    json!({"iss": issuer.url, "aud": [AUDIENCE, "other"], "sub": "u-1", "email": "ann@corp", "groups": ["ops"],
        "iat": now(), "nbf": now() - 1, "exp": now() + 300})
}

fn with(mut claims: Value, key: &str, value: Value) -> Value {
    claims[key] = value;
    claims
}

async fn start(issuer: &Issuer, change: impl FnOnce(&mut Trusted)) -> (Stack, Web) {
    let map = |value: &str, project: &str, role: &str| Mapping {
        claim: "groups".into(),
        value: value.into(),
        project: project.into(),
        roles: vec![role.into()],
    };
    let mut trusted = Trusted {
        name: "corp".into(),
        issuer: issuer.url.clone(),
        audience: vec![AUDIENCE.into()],
        user_claim: "email".into(),
        map: vec![map("ops", "web", "project_owner"), map("root", "system", "admin")],
        leeway_s: 5,
        refresh_min_s: 0,
        ..Trusted::default()
    };
    change(&mut trusted);
    let auth = Auth { oidc: vec![trusted], ..Auth::default() };
    let stack = Stack::start_with(Setup { config: Config { auth, ..Config::default() }, ..Setup::default() }).await;
    let admin = stack.web().await;
    let (status, _) = admin.send(admin.request("POST", "/projects").json(&json!({"name": "web"}))).await;
    assert_eq!(status, 201);
    (stack, admin)
}

async fn ask(web: &Web, token: &str, path: &str) -> (u16, Value) {
    web.send(web.http.get(format!("{}{path}", web.base)).bearer_auth(token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_who_its_claims_say() {
    let (ed, ec, rsa) = (Signer::ed(), Signer::ec(), Signer::rsa());
    // Keys of kinds that nobody here knows don't spoil the others.
    let strange = json!({"kty": "XYZ", "kid": "x", "alg": "FUTURE"});
    let issuer = Issuer::start(vec![strange, ed.jwk("ed"), ec.jwk("ec"), rsa.jwk("rsa")]).await;
    let (stack, admin) = start(&issuer, |_| ()).await;
    for (signer, kid) in [(&ed, "ed"), (&ec, "ec"), (&rsa, "rsa")] {
        let token = signer.token(kid, &claims(&issuer));
        let (status, answer) = ask(&admin, &token, "/permissions").await;
        assert_eq!(
            (status, &answer["user"], &answer["project"]),
            (200, &json!("corp:ann@corp"), &json!("web")),
            "{kid}: {answer}"
        );
        assert_eq!(answer["roles"], json!(["project_owner"]));
        // The other header.
        let request = admin.http.get(format!("{}/servers", admin.base)).header("x-auth-token", &token);
        assert_eq!(admin.send(request).await.0, 200, "{kid}");
        let subject = admin
            .http
            .get(format!("{}/v3/auth/tokens", admin.base))
            .bearer_auth(&token)
            .header("x-subject-token", &token);
        let (status, answer) = admin.send(subject).await;
        assert_eq!((status, &answer["token"]["project"]["name"]), (200, &json!("web")), "{answer}");
    }
    assert_eq!(issuer.asked(), 1, "keys are kept");
    // What it does is told under that name.
    let token = ed.token("ed", &claims(&issuer));
    let body = serde_json::to_value(Stack::body("web1", false)).unwrap();
    let (status, created) =
        admin.send(admin.http.post(format!("{}/servers", admin.base)).bearer_auth(&token).json(&body)).await;
    assert_eq!(status, 202, "{created}");
    stack.ended(created["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    let (_, events) = ask(&admin, &token, "/events?obj_type=server&obj_id=web1").await;
    assert_eq!(events["events"][0]["user"], json!("corp:ann@corp"), "{events}");
    // Several projects: the request chooses, among those that the claims give.
    let both = ed.token("ed", &with(claims(&issuer), "groups", json!(["root", "ops"])));
    for (project, status, roles) in
        [("system", 200, json!(["admin"])), ("web", 200, json!(["project_owner"])), ("else", 401, Value::Null)]
    {
        let request =
            admin.http.get(format!("{}/permissions", admin.base)).bearer_auth(&both).header("x-project", project);
        let (code, answer) = admin.send(request).await;
        assert_eq!((code, &answer["roles"]), (status, &roles), "{project}: {answer}");
    }
    // Known, but with no role: that is not 401.
    let nobody = ed.token("ed", &with(claims(&issuer), "groups", json!(["others"])));
    assert_eq!(ask(&admin, &nobody, "/servers").await.0, 403);
    assert_eq!(ask(&admin, &nobody, "/servers/web1").await.0, 404);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_nobody() {
    let (ed, rsa, foreign) = (Signer::ed(), Signer::rsa(), Signer::ed());
    let issuer = Issuer::start(vec![ed.jwk("ed"), rsa.jwk("rsa")]).await;
    let (stack, admin) = start(&issuer, |_| ()).await;
    let good = claims(&issuer);
    let header = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    let mut cut = ed.token("ed", &good);
    cut.truncate(cut.len() - 4);
    let spliced = {
        let (mine, yours) = (ed.token("ed", &good), ed.token("ed", &with(good.clone(), "groups", json!(["root"]))));
        let (mine, yours): (Vec<&str>, Vec<&str>) = (mine.split('.').collect(), yours.split('.').collect());
        format!("{}.{}.{}", mine[0], yours[1], mine[2])
    };
    for (what, token) in [
        ("no algorithm", format!("{}.", unsigned(&header("none", "ed"), &good))),
        ("no algorithm, a signature", format!("{}.AAAA", unsigned(&header("None", "ed"), &good))),
        ("the public key as a secret", by_secret(&rsa.public(), &header("HS256", "rsa"), &good)),
        (
            "the public key as a secret, under the key's own algorithm",
            by_secret(&rsa.public(), &header("RS256", "rsa"), &good),
        ),
        ("a key of another kind", ed.token_with(&header("RS256", "ed"), &good)),
        ("an algorithm that is not allowed", rsa.token_with(&header("RS512", "rsa"), &good)),
        ("another's key", foreign.token("ed", &good)),
        ("a key that is not published", foreign.token("elsewhere", &good)),
        ("for another service", ed.token("ed", &with(good.clone(), "aud", json!("other")))),
        ("for nobody", ed.token("ed", &with(good.clone(), "aud", Value::Null))),
        ("of another issuer", ed.token("ed", &with(good.clone(), "iss", json!("http://127.0.0.1:1")))),
        ("of no issuer", ed.token("ed", &with(good.clone(), "iss", Value::Null))),
        ("expired", ed.token("ed", &with(good.clone(), "exp", json!(now() - 60)))),
        ("without an end", ed.token("ed", &with(good.clone(), "exp", Value::Null))),
        ("not yet", ed.token("ed", &with(good.clone(), "nbf", json!(now() + 60)))),
        ("of no user", ed.token("ed", &with(good.clone(), "email", Value::Null))),
        ("cut off", cut),
        ("put together from two", spliced),
        ("no JWT", "a.b.c".to_owned()),
        ("too long", format!("{}.{}.x", "a".repeat(10_000), "b".repeat(10_000))),
    ] {
        let (status, answer) = ask(&admin, &token, "/servers").await;
        assert_eq!((status, &answer["class"]), (401, &json!("UnauthorizedError")), "{what}: {answer}");
        let details = answer["details"].as_str().unwrap();
        assert!(
            !details.contains("ann@corp") && !token.split('.').any(|part| part.len() > 8 && details.contains(part)),
            "{what}: {details}"
        );
    }
    // Clocks may differ a little.
    let late = ed.token("ed", &with(good.clone(), "exp", json!(now() - 2)));
    assert_eq!(ask(&admin, &late, "/servers").await.0, 200);
    // It can't be traded for one of ours, and does not end here.
    let token = ed.token("ed", &good);
    let trade = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}});
    let (status, answer) = admin.send(admin.http.post(format!("{}/v3/auth/tokens", admin.base)).json(&trade)).await;
    assert_eq!(status, 400, "{answer}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_and_issuers_go_away() {
    let (first, second) = (Signer::ed(), Signer::ec());
    let mut issuer = Issuer::start(vec![first.jwk("1")]).await;
    let (stack, admin) = start(&issuer, |trusted| trusted.refresh_s = 1).await;
    let (old, new) = (first.token("1", &claims(&issuer)), second.token("2", &claims(&issuer)));
    assert_eq!(ask(&admin, &old, "/servers").await.0, 200);
    assert_eq!(ask(&admin, &new, "/servers").await.0, 401);
    // A new key is taken up when a token names it; the one that was withdrawn is gone with that.
    issuer.publish(vec![second.jwk("2")]);
    assert_eq!(ask(&admin, &new, "/servers").await.0, 200);
    assert_eq!(ask(&admin, &old, "/servers").await.0, 401);
    // While the issuer is away, also for longer than keys are kept, what was fetched holds.
    issuer.stop().await;
    let begun = std::time::Instant::now();
    eventually("keys have grown old", async || (begun.elapsed().as_millis() > 1100).then_some(())).await;
    assert_eq!(ask(&admin, &new, "/servers").await.0, 200);
    // Keys that grow old are fetched again without a token that names new ones.
    issuer.publish(vec![first.jwk("1")]);
    issuer.back().await;
    eventually("the withdrawn key counts no more", async || {
        (ask(&admin, &new, "/servers").await.0 == 401).then_some(())
    })
    .await;
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_keys_do_not_make_the_issuer_be_asked() {
    let key = Signer::ed();
    let mut issuer = Issuer::start(vec![key.jwk("1")]).await;
    let (stack, admin) = start(&issuer, |trusted| trusted.refresh_min_s = 600).await;
    // Not even the first fetch: 503, not 401.
    issuer.stop().await;
    let token = key.token("1", &claims(&issuer));
    let (status, answer) = ask(&admin, &token, "/servers").await;
    assert_eq!((status, &answer["class"]), (503, &json!("ServiceUnavailableError")), "{answer}");
    stack.finish().await;

    issuer.back().await;
    let (stack, admin) = start(&issuer, |trusted| trusted.refresh_min_s = 600).await;
    for n in 0..20 {
        let token = key.token(&format!("made-up-{n}"), &claims(&issuer));
        assert_eq!(ask(&admin, &token, "/servers").await.0, 401);
    }
    assert_eq!(ask(&admin, &token, "/servers").await.0, 200);
    assert_eq!(issuer.asked(), 1);
    stack.finish().await;
}

#[test]
fn what_can_not_be_trusted_is_refused_at_the_start() {
    let good = Trusted {
        name: "corp".into(),
        issuer: "https://id.example.org".into(),
        audience: vec!["lifeboat".into()],
        ..Trusted::default()
    };
    service::install_crypto();
    let refused =
        |issuer: Trusted| region::auth::oidc::Issuers::new(&[issuer]).err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(refused(good.clone()), "");
    for (issuer, part) in [
        (Trusted { issuer: "http://id.example.org".into(), ..good.clone() }, "https is wanted"),
        (Trusted { jwks_url: "ftp://id.example.org".into(), ..good.clone() }, "https is wanted"),
        (Trusted { algorithms: vec!["HS256".into()], ..good.clone() }, "shared secret"),
        (Trusted { algorithms: vec!["none".into()], ..good.clone() }, "unknown algorithm 'none'"),
        (Trusted { audience: vec![], ..good.clone() }, "audience"),
    ] {
        assert!(refused(issuer.clone()).contains(part), "{part}: {}", refused(issuer));
    }
}
