//! The README's lines with grpcurl, carried out as grpcurl does it: what a service and its messages are is known from reflection alone. And
//! what an operator's certificate is not good for.

use prost::Message;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use proto::host::v1 as pb;
use serde_json::{Value, json};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use types::desc::DiskDriver;
use types::operation::Outcome;

use crate::agent::{Agent, create, operate, tiny};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

/// One line: `[-d JSON] ADDRESS list | describe SYMBOL | SERVICE/METHOD`.
#[derive(Debug, PartialEq)]
struct Line {
    data: Value,
    words: Vec<String>,
}

/// The shell's words of what follows `grpcurl $tls`; single quotes are all the quoting that the README needs.
fn line(text: &str) -> Line {
    let mut words = Vec::new();
    for (n, part) in text.split('\'').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    let data = match words.iter().position(|word| word == "-d") {
        Some(at) => serde_json::from_str(&words.drain(at..at + 2).nth(1).unwrap()).unwrap(),
        None => json!({}),
    };
    assert_eq!(words.remove(0), "127.0.0.1:PORT");
    Line { data, words }
}

struct Reflected(ServerReflectionClient<Channel>);

impl Reflected {
    async fn ask(&mut self, question: MessageRequest) -> MessageResponse {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let mut answers = self.0.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
        let answer: ServerReflectionResponse = answers.message().await.unwrap().unwrap();
        answer.message_response.unwrap()
    }

    async fn services(&mut self) -> Vec<String> {
        match self.ask(MessageRequest::ListServices(String::new())).await {
            MessageResponse::ListServicesResponse(list) => list.service.into_iter().map(|it| it.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The file that has a symbol, and all that it needs.
    async fn pool(&mut self, symbol: &str) -> DescriptorPool {
        let mut wanted = vec![MessageRequest::FileContainingSymbol(symbol.to_owned())];
        let mut files: Vec<FileDescriptorProto> = Vec::new();
        while let Some(question) = wanted.pop() {
            let MessageResponse::FileDescriptorResponse(found) = self.ask(question).await else {
                panic!("no file for {symbol}")
            };
            for bytes in found.file_descriptor_proto {
                let file = FileDescriptorProto::decode(&*bytes).unwrap();
                wanted.extend(file.dependency.iter().cloned().map(MessageRequest::FileByFilename));
                files.push(file);
            }
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files).unwrap();
        pool
    }
}

struct Dynamic(MethodDescriptor);
struct Bytes(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Bytes;
    type Decoder = Bytes;
    fn encoder(&mut self) -> Bytes {
        Bytes(self.0.input())
    }
    fn decoder(&mut self) -> Bytes {
        Bytes(self.0.output())
    }
}
impl Encoder for Bytes {
    type Item = DynamicMessage;
    type Error = Status;
    fn encode(&mut self, message: DynamicMessage, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(out).map_err(|error| Status::internal(error.to_string()))
    }
}
impl Decoder for Bytes {
    type Item = DynamicMessage;
    type Error = Status;
    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), bytes);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

async fn call(channel: Channel, pool: &DescriptorPool, service: &str, method: &str, data: &Value) -> Value {
    let service = pool.get_service_by_name(service).expect("the service is described");
    let method = service.methods().find(|it| it.name() == method).expect("the method is described");
    let message = DynamicMessage::deserialize(method.input(), data).expect("the data fits the message");
    let path = format!("/{}/{}", service.full_name(), method.name()).parse().unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let answer = client.unary(tonic::Request::new(message), path, Dynamic(method)).await.unwrap();
    serde_json::to_value(answer.into_inner()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_readme_says_of_grpcurl_works() {
    let agent = Agent::start(&[]).await;
    let desc = tiny(DiskDriver::Virtio);
    let created = operate!(agent, agent.header(desc.id), create_guest, create(&desc));
    assert!(matches!(created, Outcome::Created { .. }), "{created:?}");
    let channel = agent.channel_as(&agent.tls_of(service::tls::OPERATOR));
    let mut reflected = Reflected(ServerReflectionClient::new(channel.clone()));

    let readme = std::fs::read_to_string(README).unwrap();
    let lines: Vec<Line> = readme
        .lines()
        .filter_map(|text| text.strip_prefix("grpcurl $tls "))
        .map(|text| line(&text.replace("GUEST", &desc.id.to_string())))
        .collect();
    assert!(lines.len() >= 8, "{lines:?}");
    let mut seen = Vec::new();
    for Line { data, words } in lines {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = match words.as_slice() {
            ["list"] => json!(reflected.services().await),
            ["describe", symbol] => {
                let pool = reflected.pool(symbol).await;
                let service = pool.get_service_by_name(symbol).expect("it is described");
                json!(service.methods().map(|method| method.name().to_owned()).collect::<Vec<_>>())
            }
            [path] => {
                let (service, method) = path.split_once('/').expect("SERVICE/METHOD");
                let pool = reflected.pool(service).await;
                call(channel.clone(), &pool, service, method, &data).await
            }
            other => panic!("{other:?}"),
        };
        seen.push((words.join(" "), answer));
    }
    let of =
        |what: &str| &seen.iter().find(|(words, _)| words == what).unwrap_or_else(|| panic!("no line has {what}")).1;
    assert!(of("list").as_array().unwrap().contains(&json!("host.v1.HostService")));
    assert!(of("describe host.v1.HostService").as_array().unwrap().contains(&json!("StartRescue")));
    assert_eq!(of("grpc.health.v1.Health/Check")["status"], "SERVING");
    assert_eq!(of("host.v1.HostService/GetHost")["host"]["name"], "h1");
    assert_eq!(of("host.v1.HostService/ListGuests")["guests"][0]["guestId"], json!(desc.id));
    assert_eq!(of("host.v1.HostService/GetGuest")["guest"]["guestId"], json!(desc.id));
    assert!(of("host.v1.HostService/GetDesc")["descJson"].as_str().unwrap().contains(&desc.id.to_string()));
    assert!(of("host.v1.HostService/GetSerialLog").is_object());

    let request = pb::DeleteGuestRequest { operation: Some(agent.header(desc.id).into()) };
    let refused = agent.client_as(&agent.tls_of(service::tls::OPERATOR)).delete_guest(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}
