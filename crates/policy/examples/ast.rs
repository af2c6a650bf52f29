fn main() {
    let mut e = regorus::Engine::new();
    let p = std::env::args().nth(1).unwrap();
    e.add_policy(p.clone(), std::fs::read_to_string(&p).unwrap()).unwrap();
    println!("{}", e.get_ast_as_json().unwrap());
}
