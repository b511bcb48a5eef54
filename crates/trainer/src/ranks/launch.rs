//! Whether this process is one of several that a launcher started.

/// Environment variables in which launchers tell the number of processes, and what must be set beside them for it to be true
/// of this process (a batch job's variables are also set for the processes that it starts by itself).
const LAUNCHERS: [(&str, Option<&str>); 4] = [
    ("OMPI_COMM_WORLD_SIZE", None),              // Open MPI's mpirun
    ("PMI_SIZE", None),                          // MPICH and its relatives, and Slurm's srun --mpi=pmi2
    ("MV2_COMM_WORLD_SIZE", None),               // MVAPICH2
    ("SLURM_STEP_NUM_TASKS", Some("PMIX_RANK")), // Slurm's srun --mpi=pmix
];

/// Environment variables in which launchers tell a process its number among those on its machine.
const LOCAL: [&str; 4] = [
    "OMPI_COMM_WORLD_LOCAL_RANK", // Open MPI's mpirun
    "MPI_LOCALRANKID",            // MPICH's and Intel's
    "MV2_COMM_WORLD_LOCAL_RANK",  // MVAPICH2
    "SLURM_LOCALID",              // Slurm's srun
];

/// This process's number among those that a launcher started on this machine, from 0.
pub fn local_rank() -> usize {
    let told = |name: &&str| std::env::var(name).ok()?.parse().ok();
    if launched() > 1 { LOCAL.iter().find_map(told).unwrap_or(0) } else { 0 }
}

/// Processes that an MPI launcher started together with this one, itself included; 1 without a launcher.
pub fn launched() -> usize {
    let set = |name: &str| std::env::var(name).ok();
    let told = |(name, beside): &(&str, Option<&str>)| {
        beside.is_none_or(|beside| set(beside).is_some()).then(|| set(name)?.parse().ok()).flatten()
    };
    LAUNCHERS.iter().find_map(told).unwrap_or(1)
}
