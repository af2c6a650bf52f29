//! Programs for regorus' bytecode machine in which no error goes unseen.
//!
//! The machine is four to five times cheaper than the interpreter, but an error inside of a rule makes the rule silently
//! false. So a program is rewritten before it runs: in front of every instruction that can fail stands a check, every
//! built-in is wrapped (see `traps`), and where the machine is laxer than the interpreter without an error (two values
//! for one rule, a function of an undefined value) a check stands too. When a check or a built-in has failed, the
//! result is thrown away and the interpreter decides.
//!
//! The list of instructions is closed: a set with anything else in its program, or with a construct that the machine
//! is known to get wrong, stays with the interpreter. The reasons are in `docs/decisions/0001-rego-engine-mode.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regorus::Value;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::instructions::{
    BuiltinCallParams, ComprehensionMode, GuardMode, LiteralOrRegister, LoopMode,
};
use regorus::rvm::program::{BuiltinInfo, RuleInfo, RuleType};
use regorus::rvm::{Instruction, Program};

use super::traps::{self, Check};

/// Why a set stays with the interpreter, in a few words.
pub(crate) type Unfit = String;

/// The program of one set.
pub(crate) fn compile(engine: &mut regorus::Engine, path: &str) -> Result<Arc<Program>, Unfit> {
    let policy = engine.compile_with_entrypoint(&path.into()).map_err(|error| error.to_string())?;
    let program = Compiler::compile_from_policy(&policy, &[path]).map_err(|error| error.to_string())?;
    let program = Arc::unwrap_or_clone(program);
    rules_fit(&program)?;
    Ok(Arc::new(Rewrite::of(program)?))
}

fn unfit<T>(what: impl Into<String>) -> Result<T, Unfit> {
    Err(what.into())
}

/// Rules that may get another value than in the interpreter without any instruction failing.
fn rules_fit(program: &Program) -> Result<(), Unfit> {
    if program.has_host_await || program.needs_runtime_recursion_check {
        return unfit("a reference that is only known when it runs");
    }
    for rule in &program.rule_infos {
        let has_else = rule.else_bodies.iter().flatten().any(|is_else| *is_else);
        let separate = |bodies: &Vec<bool>| bodies.iter().skip(1).any(|is_else| !is_else);
        let name = &rule.name;
        match rule.rule_type {
            RuleType::PartialObject => return unfit(format!("{name} is a partial object")),
            RuleType::PartialSet if has_else => return unfit(format!("{name} is a set with else")),
            RuleType::PartialSet => {}
            // The machine answers two different values with "undefined".
            RuleType::Complete if rule.definitions.len() > 1 && !rule.early_exit_on_first_success => {
                return unfit(format!("{name} has several definitions with a value; use else"));
            }
            RuleType::Complete if rule.else_bodies.iter().any(separate) => {
                return unfit(format!("{name} has several bodies"));
            }
            RuleType::Complete => {}
        }
        if rule.definitions.is_empty() || rule.default_literal_index.is_some() {
            return unfit(format!("{name} has a default; use else"));
        }
    }
    Ok(())
}

/// A program in the making.
struct Rewrite {
    program: Program,
    /// The new instructions.
    out: Vec<Instruction>,
    /// Old position -> new position.
    moved: Vec<usize>,
    /// Check and number of arguments -> index of its built-in.
    checks: BTreeMap<(&'static str, usize), u16>,
    /// Functions that look at each of their parameters.
    total: BTreeSet<u16>,
    /// Register of the rule at hand that nothing else uses.
    scratch: Option<u8>,
    /// Whether register 0 of the rule at hand is its value.
    single_value: bool,
}

impl Rewrite {
    fn of(mut program: Program) -> Result<Program, Unfit> {
        program.resolved_builtins.clear();
        for info in &program.builtin_info_table {
            let Some(function) = traps::builtin(&info.name) else {
                return unfit(format!("built-in {}", info.name));
            };
            program.resolved_builtins.push(function);
        }
        let mut loads = comprehensions(&program)?;
        let mut starts: BTreeMap<usize, (Option<u8>, bool)> = BTreeMap::new();
        for rule in &mut program.rule_infos {
            let scratch = rule.num_registers;
            rule.num_registers = scratch.checked_add(1).ok_or("a rule with too many registers")?;
            program.max_rule_window_size = program.max_rule_window_size.max(rule.num_registers);
            // The interpreter evaluates all definitions, and so finds errors in all of them.
            rule.early_exit_on_first_success = false;
            for start in starts_of(rule) {
                starts.insert(start, (Some(scratch), rule.rule_type == RuleType::Complete));
            }
        }
        let total = functions_of_defined(&program);
        let instructions = std::mem::take(&mut program.instructions);
        let mut rewrite = Self {
            program,
            out: Vec::with_capacity(instructions.len() * 2),
            moved: Vec::with_capacity(instructions.len() + 1),
            checks: BTreeMap::new(),
            total,
            scratch: None,
            single_value: false,
        };
        for (at, instruction) in instructions.into_iter().enumerate() {
            if let Some((scratch, single_value)) = starts.get(&at) {
                (rewrite.scratch, rewrite.single_value) = (*scratch, *single_value);
            }
            rewrite.moved.push(rewrite.out.len());
            rewrite.out.append(&mut loads.remove(&at).unwrap_or_default());
            rewrite.add(instruction)?;
        }
        rewrite.moved.push(rewrite.out.len());
        rewrite.finish()
    }

    /// Adds one instruction with its checks. Every kind of instruction that may appear is named here.
    fn add(&mut self, instruction: Instruction) -> Result<(), Unfit> {
        use Instruction as I;
        match &instruction {
            // Cannot fail, or fail only as a condition that does not hold.
            I::Load { .. } | I::LoadTrue { .. } | I::LoadFalse { .. } | I::LoadNull { .. } | I::LoadBool { .. }
            | I::LoadData { .. } | I::LoadInput { .. } | I::Eq { .. } | I::Ne { .. } | I::Not { .. }
            | I::AssertEq { .. } | I::Guard { .. } | I::CallRule { .. } | I::RuleInit { .. }
            | I::DestructuringSuccess {} | I::Return { .. } | I::ObjectCreate { .. } | I::ArrayNew { .. }
            | I::ArrayPush { .. } | I::ArrayCreate { .. } | I::SetNew { .. } | I::SetAdd { .. }
            | I::SetCreate { .. } | I::Contains { .. } | I::LoopNext { .. } | I::ComprehensionEnd {}
            // Wrapped.
            | I::BuiltinCall { .. } | I::FunctionCall { .. } | I::ComprehensionBegin { .. } => {}
            // A body that ends with a loop in which nothing held has not failed to the machine, which then leaves out the
            // `else` behind it. What has no value fails.
            I::RuleReturn {} => {
                if self.single_value {
                    self.out.push(I::Guard { register: 0, mode: GuardMode::NotUndefined });
                }
            }
            // The machine lets a body go on with an undefined value: `x := <undefined>`, and the value of a rule.
            I::Move { dest, src } => {
                self.out.push(I::Guard { register: *src, mode: GuardMode::NotUndefined });
                if *dest == 0 && self.single_value {
                    self.check(Check::Same, &[0, *src])?;
                }
            }
            I::ComprehensionYield { value_reg, .. } => {
                self.out.push(I::Guard { register: *value_reg, mode: GuardMode::NotUndefined });
            }
            I::Add { left, right, .. } | I::Mul { left, right, .. } => {
                self.check(Check::Arithmetic, &[*left, *right])?;
            }
            I::Sub { left, right, .. } => self.check(Check::Subtraction, &[*left, *right])?,
            I::Div { left, right, .. } => self.check(Check::Division, &[*left, *right])?,
            I::Lt { left, right, .. } | I::Le { left, right, .. } | I::Gt { left, right, .. }
            | I::Ge { left, right, .. } => self.check(Check::Ordered, &[*left, *right])?,
            I::Index { container, key, .. } => self.check(Check::Key, &[*container, *key])?,
            I::IndexLiteral { container, literal_idx, .. } => {
                if !self.is_text(*literal_idx) {
                    self.check(Check::Array, &[*container])?;
                }
            }
            I::ChainedIndex { params_index } => {
                let params = self.program.instruction_data.get_chained_index_params(*params_index);
                for part in params.map(|params| params.path_components.clone()).unwrap_or_default() {
                    match part {
                        LiteralOrRegister::Register(register) => self.check(Check::Text, &[register])?,
                        LiteralOrRegister::Literal(literal) if self.is_text(literal) => {}
                        LiteralOrRegister::Literal(_) => return unfit("a key that is no text"),
                    }
                }
            }
            // The length of an array that is taken apart.
            I::Count { collection, .. } => self.check(Check::Array, &[*collection])?,
            I::LoopStart { params_index } => {
                let params = self.program.instruction_data.get_loop_params(*params_index);
                match params.map(|params| (params.mode, params.collection)) {
                    Some((LoopMode::ForEach, collection)) => self.check(Check::Collection, &[collection])?,
                    _ => return unfit("every"),
                }
            }
            other => return unfit(format!("instruction {other:?}")),
        }
        let call = match instruction {
            I::FunctionCall { params_index } => {
                self.program.instruction_data.get_function_call_params(params_index).cloned()
            }
            _ => None,
        };
        self.out.push(instruction);
        if let Some(call) = call.filter(|call| !self.total.contains(&call.func_rule_index)) {
            // The machine calls a function with undefined arguments; the interpreter does not.
            let arguments: Vec<u8> =
                std::iter::once(call.dest).chain(call.arg_registers().iter().copied()).collect();
            self.call(Check::First, call.dest, &arguments)?;
        }
        Ok(())
    }

    fn is_text(&self, literal: u16) -> bool {
        matches!(self.program.literals.get(usize::from(literal)), Some(Value::String(_)))
    }

    fn check(&mut self, check: Check, arguments: &[u8]) -> Result<(), Unfit> {
        let scratch = self.scratch.ok_or("an instruction outside of a rule")?;
        self.call(check, scratch, arguments)
    }

    fn call(&mut self, check: Check, dest: u8, arguments: &[u8]) -> Result<(), Unfit> {
        let mut args = [0; 8];
        args.get_mut(..arguments.len()).ok_or("a function with many arguments")?.copy_from_slice(arguments);
        let program = &mut self.program;
        let builtin_index = *self.checks.entry((check.name(), arguments.len())).or_insert_with(|| {
            program.resolved_builtins.push(check.function());
            let num_args = u16::try_from(arguments.len()).unwrap_or(u16::MAX);
            program.add_builtin_info(BuiltinInfo { name: check.name().into(), num_args })
        });
        let num_args = u8::try_from(arguments.len()).map_err(|_| "a function with many arguments")?;
        let params = BuiltinCallParams { dest, builtin_index, num_args, args };
        if program.instruction_data.builtin_call_params.len() >= usize::from(u16::MAX) {
            return unfit("too long");
        }
        let params_index = program.add_builtin_call_params(params);
        self.out.push(Instruction::BuiltinCall { params_index });
        Ok(())
    }

    /// Moves every jump to where its target is now.
    fn finish(self) -> Result<Program, Unfit> {
        let Self { mut program, mut out, moved, .. } = self;
        let to = |old: usize| moved.get(old).copied().ok_or("a jump out of the program");
        let short = |old: u16| u16::try_from(to(usize::from(old))?).map_err(|_| "too long");
        let long = |old: u32| u32::try_from(to(old as usize)?).map_err(|_| "too long");
        for instruction in &mut out {
            if let Instruction::LoopNext { body_start, loop_end } = instruction {
                (*body_start, *loop_end) = (short(*body_start)?, short(*loop_end)?);
            }
        }
        for params in &mut program.instruction_data.loop_params {
            (params.body_start, params.loop_end) = (short(params.body_start)?, short(params.loop_end)?);
        }
        for params in &mut program.instruction_data.comprehension_begin_params {
            params.body_start = short(params.body_start)?;
            params.comprehension_end = short(params.comprehension_end)?;
        }
        for rule in &mut program.rule_infos {
            let mut definitions = (*rule.definitions).clone();
            for start in
                definitions.iter_mut().flatten().chain(rule.destructuring_blocks.iter_mut().flatten())
            {
                *start = long(*start)?;
            }
            rule.definitions = definitions.into();
            // The machine copies all of this for every call, and reads none of it for rules that fit.
            rule.name.clear();
            rule.else_bodies.clear();
            if let Some(function) = &mut rule.function_info {
                function.param_names.clear();
            }
        }
        for start in program.entry_points.values_mut() {
            *start = to(*start)?;
        }
        program.main_entry_point = long(program.main_entry_point)?;
        program.instruction_spans.clear();
        program.instructions = out;
        program.validate_limits()?;
        Ok(program)
    }
}

/// Where the code of a rule's definitions and bodies begins.
fn starts_of(rule: &RuleInfo) -> impl Iterator<Item = usize> {
    let bodies = rule.definitions.iter().flatten();
    bodies.chain(rule.destructuring_blocks.iter().flatten()).map(|start| *start as usize)
}

/// Functions of which every definition binds every parameter to a name: with the guard behind each binding they are
/// undefined for an undefined argument.
fn functions_of_defined(program: &Program) -> BTreeSet<u16> {
    let binds_all = |rule: &RuleInfo| {
        let Some(function) = &rule.function_info else { return false };
        rule.destructuring_blocks.iter().all(|start| {
            let Some(start) = start else { return false };
            let block = program.instructions.iter().skip(*start as usize);
            let bound: BTreeSet<u32> = block
                .take_while(|instruction| !matches!(instruction, Instruction::DestructuringSuccess {}))
                .filter_map(|instruction| match instruction {
                    Instruction::Move { dest, src } if *dest != 0 => Some(u32::from(*src)),
                    _ => None,
                })
                .collect();
            (1..=function.num_params).all(|parameter| bound.contains(&parameter))
        })
    };
    let numbered = (0..).zip(&program.rule_infos);
    numbered.filter(|(_, rule)| binds_all(rule)).map(|(index, _)| index).collect()
}

/// What must stand in front of each comprehension. Refused are comprehensions inside of a loop or of each other, where a
/// condition that does not hold would end the iteration of the loop around it, and those of an object, where the last
/// of two values for a key would win.
///
/// The compiler loads `input` and `data` once per body, where they are read first. When that is inside of a
/// comprehension, behind a condition that does not hold, everything after the comprehension would read "undefined"; so
/// they are loaded in front of it too.
fn comprehensions(program: &Program) -> Result<BTreeMap<usize, Vec<Instruction>>, Unfit> {
    let data = &program.instruction_data;
    let mut loads = BTreeMap::new();
    for (at, instruction) in program.instructions.iter().enumerate() {
        let Instruction::ComprehensionBegin { params_index } = instruction else { continue };
        let params = data.get_comprehension_begin_params(*params_index).ok_or("a broken program")?;
        if matches!(params.mode, ComprehensionMode::Object) || params.collection_reg != params.result_reg {
            return unfit("a comprehension of an object");
        }
        let inside = |start: u16, end: u16| (usize::from(start)..usize::from(end)).contains(&at);
        let in_loop = data.loop_params.iter().any(|around| inside(around.body_start, around.loop_end));
        let mut comprehensions = data.comprehension_begin_params.iter();
        if in_loop || comprehensions.any(|around| inside(around.body_start, around.comprehension_end)) {
            return unfit("a comprehension inside of a loop");
        }
        let (start, end) = (usize::from(params.body_start), usize::from(params.comprehension_end));
        let body = program.instructions.get(start..end).ok_or("a broken program")?;
        let is_load = |instruction: &&Instruction| {
            matches!(instruction, Instruction::LoadInput { .. } | Instruction::LoadData { .. })
        };
        loads.insert(at, body.iter().filter(is_load).cloned().collect());
    }
    Ok(loads)
}
