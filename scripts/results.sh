#!/usr/bin/env bash
# Trains and evaluates every row of docs/results.md: 10 training seeds each (0 to 9), evaluated on episodes that no training
# saw, one process per core. Trained agents go to results-logs/, tables, raw CSV and pictures to docs/results/.
# JOBS limits the processes, SEEDS="0 1 2" the seeds. Arguments choose rows, e.g. `bash scripts/results.sh AdSpend-v0 Pendulum-v1`; all by default.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
export OMP_NUM_THREADS=1 MPLBACKEND=Agg

# name | algorithm | environment | steps between evaluations | episodes to evaluate at the end | further flags of `sb3-ext train`
rows() {
    cat <<'ROWS'
AdSpend-v0|ddpg_ext|AdSpend-v0|1000|1|
AdSpendTutorial-v0|ddpg_ext|AdSpendTutorial-v0|1000|1|
AdSpendAdstock-v0|ddpg_ext|AdSpendAdstock-v0|1000|1|
AdSpendProfit-v0|ddpg_ext|AdSpendProfit-v0|1000|1|
AdSpend-v0_compiled|ddpg_ext|AdSpend-v0|1000|1|-params compile:True
AdSpendAdstock-v0_compiled|ddpg_ext|AdSpendAdstock-v0|1000|1|-params compile:True
AdSpendProfit-v0_compiled|ddpg_ext|AdSpendProfit-v0|1000|1|-params compile:True
AdSpendShock-v0_ppo|ppo|AdSpendShock-v0|50000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
AdSpendUncertain-v0_ppo|ppo|AdSpendUncertain-v0|50000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
AdSpendSShape-v0_ppo|ppo|AdSpendSShape-v0|50000|1|--vec-env native
Robyn_ppo|ppo|AdSpendSShape-v0|50000|1|--vec-env native --env-kwargs market:'market.json' periods:26
AdSpendShock-v0_trpo|trpo|AdSpendShock-v0|50000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
AdSpendShock-v0_sac|sac|AdSpendShock-v0|10000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
AdSpendShock-v0_td3|td3|AdSpendShock-v0|10000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
AdSpendShock-v0_tqc|tqc|AdSpendShock-v0|10000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
AdSpendUncertain-v0_ppo_lstm|ppo_lstm|AdSpendUncertain-v0|50000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
AdSpendShock-v0|ddpg_ext|AdSpendShock-v0|5000|1000|--vec-env native --n-eval-envs 100 --eval-episodes 100
CartPole-v1_reinforce|reinforce|CartPole-v1|5000|100|--tensorboard-log results-logs/CartPole-v1_reinforce/tensorboard
CartPole-v1_genetic|genetic|CartPole-v1|100000|100|
CartPole-v1_hill_climbing|policy_search|CartPole-v1|1000000|30|--vec-env native
CartPole-v1_annealing|policy_search|CartPole-v1|1000000|30|--vec-env native -params strategy:'simulated_annealing' strategy_kwargs:dict(noise_std=0.5,temperature='lin_20')
CartPole-v1_cross_entropy|policy_search|CartPole-v1|1000000|30|--vec-env native -params strategy:'cross_entropy' strategy_kwargs:dict(extra_std='lin_0.5')
CliffWalking-v1_q_learning|q_learning|CliffWalking-v1|20000|1|-params n_timesteps:20000 learning_rate:'lin_0.5' exploration_initial_eps:0.1 exploration_final_eps:0.1
CliffWalking-v1_sarsa|q_learning|CliffWalking-v1|20000|1|-params n_timesteps:20000 learning_rate:'lin_0.5' exploration_initial_eps:0.1 exploration_final_eps:0.1 update:'sarsa'
CliffWalking-v1_expected_sarsa|q_learning|CliffWalking-v1|20000|1|-params n_timesteps:20000 learning_rate:'lin_0.5' exploration_initial_eps:0.1 exploration_final_eps:0.1 update:'expected_sarsa'
CliffWalking-v1_double_q|q_learning|CliffWalking-v1|20000|1|-params n_timesteps:20000 learning_rate:'lin_0.5' exploration_initial_eps:0.1 exploration_final_eps:0.1 update:'double_q'
FrozenLake-v1_q_learning|q_learning|FrozenLake-v1|200000|1000|
FrozenLake-v1_sarsa|q_learning|FrozenLake-v1|200000|1000|-params update:'sarsa'
FrozenLake-v1_expected_sarsa|q_learning|FrozenLake-v1|200000|1000|-params update:'expected_sarsa'
FrozenLake-v1_double_q|q_learning|FrozenLake-v1|200000|1000|-params update:'double_q'
CartPole-v1_ppo_penalty|ppo_penalty|CartPole-v1|10000|100|
Acrobot-v1_reinforce|reinforce|Acrobot-v1|10000|100|
AdSpend-v0_reinforce|reinforce|AdSpend-v0|2500|1|
MountainCar-v0_q_learning|q_learning|MountainCar-v0|50000|500|
CartPole-v0_reinforce|reinforce|CartPole-v0|10000|100|--tensorboard-log results-logs/CartPole-v0_reinforce/tensorboard
CartPole-v1_reinforce_angle|reinforce|CartPole-v1|10000|100|--conf-file hyperparams/tutorials/reinforce_angle.yml --tensorboard-log results-logs/CartPole-v1_reinforce_angle/tensorboard
CartPole-v1_reinforce_penalty|reinforce|CartPole-v1|10000|100|--conf-file hyperparams/tutorials/reinforce_penalty.yml --tensorboard-log results-logs/CartPole-v1_reinforce_penalty/tensorboard
CartPole-v1_ars|ars|CartPole-v1|5000|100|
CartPole-v1_trpo|trpo|CartPole-v1|10000|100|--tensorboard-log results-logs/CartPole-v1_trpo/tensorboard
CartPole-v1_ppo|ppo|CartPole-v1|10000|100|--tensorboard-log results-logs/CartPole-v1_ppo/tensorboard
CartPole-v1_dqn|dqn|CartPole-v1|5000|100|--tensorboard-log results-logs/CartPole-v1_dqn/tensorboard
CartPole-v1_a2c|a2c|CartPole-v1|25000|100|--tensorboard-log results-logs/CartPole-v1_a2c/tensorboard
CartPole-v1_a3c|a3c|CartPole-v1|100000|100|--tensorboard-log results-logs/CartPole-v1_a3c/tensorboard
MountainCar-v0_dqn|dqn|MountainCar-v0|10000|500|--tensorboard-log results-logs/MountainCar-v0_dqn/tensorboard
CartPole-v1_dueling_dqn|dueling_dqn|CartPole-v1|5000|100|
CartPole-v1_dueling_dqn_eps004|dueling_dqn|CartPole-v1|5000|100|-params exploration_final_eps:0.04
MountainCar-v0_dueling_dqn|dueling_dqn|MountainCar-v0|10000|500|--eval-env-kwargs max_episode_steps:200
MountainCar-v0_dueling_dqn_tutorial|dueling_dqn|MountainCar-v0|10000|100|--conf-file hyperparams/tutorials/dueling_dqn_mountain_car.yml --tensorboard-log results-logs/MountainCar-v0_dueling_dqn_tutorial/tensorboard
CartPole-v0_dqn_tutorial|dqn|CartPole-v0|5000|100|--conf-file hyperparams/tutorials/dqn_cart_pole.yml
Acrobot-v1_dueling_dqn|dueling_dqn|Acrobot-v1|10000|100|
LunarLander-v3_dueling_dqn|dueling_dqn|LunarLander-v3|10000|100|
MsPacman_dueling_dqn|dueling_dqn|MsPacmanNoFrameskip-v4|25000|30|
MsPacman_dueling_dqn_constant|dueling_dqn|MsPacmanNoFrameskip-v4|25000|30|-params learning_rate:0.0001
MsPacman_dueling_dqn_84x84|dueling_dqn|MsPacmanNoFrameskip-v4|25000|30|--conf-file hyperparams/tutorials/dueling_dqn_84x84.yml
MsPacman_dqn|dqn|MsPacmanNoFrameskip-v4|25000|30|--conf-file hyperparams/tutorials/dqn_ms_pacman.yml
Pendulum-v1|ddpg_ext|Pendulum-v1|1000|500|
Pendulum-v1_compiled|ddpg_ext|Pendulum-v1|1000|500|-params compile:True
Pendulum-v1_sb3|ddpg|Pendulum-v1|1000|500|-params learning_rate:'lin_0.001' learning_starts:1000 batch_size:128 policy_kwargs:dict(net_arch=[64,64])
ROWS
}

run_row() {
    IFS='|' read -r name algo env eval_freq episodes flags <<<"$1"
    if [ -e "results-logs/$name" ]; then
        echo "error: results-logs/$name exists: repeated seeds would count twice, move it away first" >&2
        exit 1
    fi
    for seed in ${SEEDS:-0 1 2 3 4 5 6 7 8 9}; do
        # shellcheck disable=SC2086  # the flags are several words
        sb3-ext train --algo "$algo" --env "$env" --seed "$seed" -f "results-logs/$name" --num-threads 1 --verbose 0 \
            --eval-freq "$eval_freq" --eval-episodes "$((episodes > 1 ? 5 : 1))" $flags >>"results-logs/$name.log" 2>&1
    done
    evaluate=(sb3-ext evaluate --algo "$algo" --env "$env" -f "results-logs/$name" --exp-id all -n "$episodes")
    if [[ "$env" == MsPacman* ]]; then evaluate+=(--stochastic); fi # the little exploration that is left, as is usual on Atari
    "${evaluate[@]}" --output "docs/results/$name" >>"results-logs/$name.log" 2>&1
    if [[ "$env" == AdSpend* && "$episodes" == 1 ]]; then
        "${evaluate[@]}" --load-best --output "docs/results/${name}_best" >>"results-logs/$name.log" 2>&1
    fi
    echo "$name took $SECONDS s"
}
export -f run_row

mkdir -p results-logs
if [ ! -e market.json ] && { [ $# -eq 0 ] || [[ " $* " == *" Robyn_ppo "* ]]; }; then
    echo "error: Robyn_ppo reads market.json: docs/planning.md has the command that makes it from Robyn's demo export" >&2
    exit 1
fi
rows | { if [ $# -gt 0 ]; then grep -E "^($(IFS='|'; echo "$*"))\|"; else cat; fi; } | xargs -d '\n' -P "${JOBS:-$(nproc)}" -I{} bash -euo pipefail -c 'run_row "$1"' _ {}
