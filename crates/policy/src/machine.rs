//! regorus' bytecode machine, running the program of one set (see `bundle/fast.rs`).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use regorus::Value;
use regorus::rvm::vm::VmError;
use regorus::rvm::{Program, RegoVM};
use regorus::utils::limits::ExecutionTimerConfig;

use crate::bundle::watch;
use crate::{EvalLimits, quiet};

/// Most instructions of one set; beyond them the interpreter decides, within the time that is left.
const INSTRUCTIONS: usize = 2_000_000;

/// What the machine found.
#[derive(Debug)]
pub(crate) enum Answer {
    Set(Value),
    TimeLimit,
    MemoryLimit,
    /// Something failed: only the interpreter can tell.
    Unsure,
}

/// A machine with its program and data.
pub(crate) struct Machine {
    program: Arc<Program>,
    data: Value,
    /// Thrown away after an error or a panic, which may leave it half-way.
    vm: Option<RegoVM>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("instructions", &self.program.instructions.len())
            .finish_non_exhaustive()
    }
}

impl Machine {
    pub(crate) fn new(program: Arc<Program>, data: Value) -> Self {
        Self { program, data, vm: None }
    }

    pub(crate) fn evaluate(&mut self, document: &Value, left: Duration) -> Answer {
        let taken = self.vm.take();
        let (result, failed) = watch(|| {
            quiet::during(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    let mut vm = match taken {
                        Some(vm) => vm,
                        None => self.prepared()?,
                    };
                    vm.set_execution_timer_config(Some(ExecutionTimerConfig {
                        limit: left,
                        check_interval: EvalLimits::STEPS,
                    }));
                    vm.set_input(document.clone());
                    let value = vm.execute_entry_point_by_index(0)?;
                    Ok((vm, value))
                }))
            })
        });
        match result {
            Ok(Ok((vm, value @ Value::Set(_)))) if !failed => {
                self.vm = Some(vm);
                Answer::Set(value)
            }
            Ok(Err(VmError::TimeLimitExceeded { .. })) => Answer::TimeLimit,
            Ok(Err(VmError::MemoryLimitExceeded { .. } | VmError::MemoryBudgetExceeded { .. })) => {
                Answer::MemoryLimit
            }
            _ => Answer::Unsure,
        }
    }

    fn prepared(&self) -> Result<RegoVM, VmError> {
        let mut vm = RegoVM::new();
        vm.set_strict_builtin_errors(true);
        vm.set_max_instructions(INSTRUCTIONS);
        vm.load_program(Arc::clone(&self.program));
        vm.set_data(self.data.clone())?;
        Ok(vm)
    }
}
