//! gRPC: messages, fields, enumerations and methods keep their numbers, names and types.

use std::path::{Path, PathBuf};

use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor};

const FILES: [&str; 2] = ["host/v1/host.proto", "region/v1/region.proto"];

pub fn of_source(root: &Path) -> DescriptorPool {
    compile(&root.join("proto"))
}

pub fn of_release(folder: &Path) -> DescriptorPool {
    compile(&folder.join("proto"))
}

pub fn write(root: &Path, folder: &Path) {
    for file in FILES {
        let to = folder.join("proto").join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(root.join("proto").join(file), to).unwrap();
    }
}

fn compile(folder: &Path) -> DescriptorPool {
    let files: Vec<PathBuf> = FILES.iter().map(|file| folder.join(file)).collect();
    let set = protox::compile(files, [folder]).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    DescriptorPool::from_file_descriptor_set(set).unwrap()
}

pub fn broken(before: &DescriptorPool, now: &DescriptorPool) -> Vec<String> {
    let mut broken = vec![];
    for message in before.all_messages() {
        match now.get_message_by_name(message.full_name()) {
            Some(now) => fields(&message, &now, &mut broken),
            None if deprecated_message(&message) => {}
            None => broken.push(format!("message {} is gone", message.full_name())),
        }
    }
    for one in before.all_enums() {
        match now.get_enum_by_name(one.full_name()) {
            Some(now) => values(&one, &now, &mut broken),
            None => broken.push(format!("enum {} is gone", one.full_name())),
        }
    }
    for method in before.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let service = now.get_service_by_name(method.parent_service().full_name());
        let now = service.and_then(|service| service.methods().find(|now| now.name() == method.name()));
        match now {
            Some(now) if shape(&now) == shape(&method) => {}
            Some(_) => broken.push(format!("method {} takes or gives something else", method.full_name())),
            None if method.method_descriptor_proto().options.as_ref().is_some_and(|o| o.deprecated()) => {}
            None => broken.push(format!("method {} is gone", method.full_name())),
        }
    }
    broken
}

fn fields(before: &MessageDescriptor, now: &MessageDescriptor, broken: &mut Vec<String>) {
    for field in before.fields() {
        match now.get_field(field.number()) {
            Some(now) if kind(&now) == kind(&field) => {}
            Some(now) => broken.push(format!("field {} was {}, is {}", field.full_name(), kind(&field), kind(&now))),
            None => {
                let deprecated = field.field_descriptor_proto().options.as_ref().is_some_and(|o| o.deprecated());
                let reserved = now.reserved_ranges().any(|range| range.contains(&field.number()))
                    && now.reserved_names().any(|name| name == field.name());
                if !deprecated || !reserved {
                    broken.push(format!(
                        "field {} is gone, and was not deprecated, or is not reserved now",
                        field.full_name()
                    ));
                }
            }
        }
    }
}

fn values(before: &EnumDescriptor, now: &EnumDescriptor, broken: &mut Vec<String>) {
    for value in before.values() {
        if now.get_value(value.number()).is_none_or(|now| now.name() != value.name()) {
            broken.push(format!("value {} of {} is gone", value.name(), before.full_name()));
        }
    }
}

/// All that a peer or a JSON client would notice.
fn kind(field: &FieldDescriptor) -> String {
    let oneof = field.containing_oneof().map(|one| one.name().to_owned());
    format!("{} {:?} {:?} in {oneof:?}", field.name(), field.kind(), field.cardinality())
}

fn shape(method: &MethodDescriptor) -> (String, String, bool, bool) {
    let name = |message: MessageDescriptor| message.full_name().to_owned();
    (name(method.input()), name(method.output()), method.is_client_streaming(), method.is_server_streaming())
}

fn deprecated_message(message: &MessageDescriptor) -> bool {
    message.descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated())
}

#[test]
fn what_would_break_a_neighbour_is_found() {
    let pool = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        for (file, package) in FILES.iter().zip(["host.v1", "region.v1"]) {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = if package == "host.v1" { text } else { "" };
            std::fs::write(path, format!("syntax = \"proto3\";\npackage {package};\n{text}")).unwrap();
        }
        compile(folder.path())
    };
    let before = pool(
        "message A { string a = 1; uint32 b = 2 [deprecated = true]; uint32 c = 3; }
         service S { rpc Do(A) returns (A); rpc Old(A) returns (A) { option deprecated = true; } }",
    );
    let same = "service S { rpc Do(A) returns (A); }";
    let fine =
        pool(&format!("message A {{ string a = 1; reserved 2; reserved \"b\"; uint32 c = 3; bool d = 4; }} {same}"));
    assert_eq!(broken(&before, &fine), Vec::<String>::new());
    for (now, word) in [
        (format!("message A {{ string a = 1; uint32 c = 3; }} {same}"), "field host.v1.A.b is gone"),
        (
            format!("message A {{ string a = 1; uint32 b = 2; reserved 3; reserved \"c\"; }} {same}"),
            "field host.v1.A.c is gone",
        ),
        (format!("message A {{ bytes a = 1; uint32 b = 2; uint32 c = 3; }} {same}"), "field host.v1.A.a was"),
        (format!("message A {{ string x = 1; uint32 b = 2; uint32 c = 3; }} {same}"), "field host.v1.A.a was"),
        (format!("message A {{ string a = 1; uint32 b = 2; repeated uint32 c = 3; }} {same}"), "field host.v1.A.c was"),
        ("message A { string a = 1; uint32 b = 2; uint32 c = 3; } service S {}".into(), "method host.v1.S.Do is gone"),
        (
            "message A { string a = 1; uint32 b = 2; uint32 c = 3; } service S { rpc Do(A) returns (stream A); }"
                .into(),
            "method host.v1.S.Do takes or gives something else",
        ),
        ("message B {} service S { rpc Do(B) returns (B); }".into(), "message host.v1.A is gone"),
    ] {
        let found = broken(&before, &pool(&now));
        assert!(found.iter().any(|line| line.starts_with(word)), "{word} is not in {found:?}");
    }
}
