//! Proofs that were tampered with. Whoever checks a proof is the only defence: what is not compared is not proved.

use proptest::prelude::*;

use super::super::*;
use super::leaves;

/// Every way to damage a list of hashes that changes it: one bit, one missing, one more, two exchanged.
fn damaged(proof: &[Hash], salt: usize) -> Vec<(&'static str, Vec<Hash>)> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[at][(salt / 8) % 32] ^= 1 << (salt % 8);
        all.push(("a flipped bit", flipped));
        let mut missing = proof.to_vec();
        missing.remove(at);
        all.push(("a missing hash", missing));
        for other in at + 1..proof.len() {
            let mut exchanged = proof.to_vec();
            exchanged.swap(at, other);
            if exchanged != proof {
                all.push(("two exchanged hashes", exchanged));
            }
        }
    }
    for at in 0..=proof.len() {
        for extra in [[0; 32], proof.get(at.saturating_sub(1)).copied().unwrap_or([1; 32])] {
            let mut more = proof.to_vec();
            more.insert(at, extra);
            all.push(("an extra hash", more));
        }
    }
    all
}

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut hash = *hash;
    hash[(bit / 8) % 32] ^= 1 << (bit % 8);
    hash
}

#[test]
fn every_single_bit_of_a_proof_counts() {
    let leaves = leaves(13);
    let source = Leaves(&leaves);
    let (old_root, new_root) = (root(&source, 6).unwrap(), root(&source, 13).unwrap());
    let inclusion = inclusion_proof(&source, 9, 13).unwrap();
    let consistency = consistency_proof(&source, 6, 13).unwrap();
    let around = range_proof(&source, 5, 8, 13).unwrap();
    for bit in 0..256 {
        for at in 0..inclusion.len() {
            let mut proof = inclusion.clone();
            proof[at] = flipped(&proof[at], bit);
            assert_eq!(
                verify_inclusion(&leaves[9], 9, 13, &proof, &new_root),
                Err(MerkleError::RootMismatch)
            );
        }
        for at in 0..consistency.len() {
            let mut proof = consistency.clone();
            proof[at] = flipped(&proof[at], bit);
            assert_eq!(
                verify_consistency(6, 13, &proof, &old_root, &new_root),
                Err(MerkleError::RootMismatch)
            );
        }
        for at in 0..around.left.len() {
            let mut left = around.left.clone();
            left[at] = flipped(&left[at], bit);
            assert_ne!(root_of_range(&left, &leaves[5..8], 5, &around.right, 13), Ok(new_root));
        }
        for at in 0..around.right.len() {
            let mut right = around.right.clone();
            right[at] = flipped(&right[at], bit);
            assert_ne!(root_of_range(&around.left, &leaves[5..8], 5, &right, 13), Ok(new_root));
        }
    }
}

#[test]
fn a_consistency_proof_whose_old_half_is_right_does_not_carry_a_forged_new_root() {
    // immudb before 1.4.1: the linear part of a proof was not tied to the target.
    let honest = leaves(8);
    let mut forged = leaves(16);
    forged[12] = leaf_hash(b"forged");
    let old_root = root(&Leaves(&honest), 8).unwrap();
    let honest_root = root(&Leaves(&leaves(16)), 16).unwrap();
    let proof = consistency_proof(&Leaves(&forged), 8, 16).unwrap();
    assert_eq!(verify_consistency(8, 16, &proof, &old_root, &honest_root), Err(MerkleError::RootMismatch));
}

#[test]
fn a_consistency_proof_whose_new_half_is_right_does_not_carry_a_rewritten_past() {
    let honest = leaves(16);
    let mut rewritten = honest.clone();
    rewritten[3] = leaf_hash(b"rewritten");
    let old_root = root(&Leaves(&honest), 7).unwrap();
    let new_root = root(&Leaves(&rewritten), 16).unwrap();
    for source in [Leaves(&honest), Leaves(&rewritten)] {
        let proof = consistency_proof(&source, 7, 16).unwrap();
        assert_eq!(verify_consistency(7, 16, &proof, &old_root, &new_root), Err(MerkleError::RootMismatch));
    }
}

#[test]
fn no_part_of_a_proof_goes_unread() {
    // The Python client of immudb skipped a part of the proof: whatever stood there was accepted.
    let leaves = leaves(23);
    let source = Leaves(&leaves);
    let new_root = root(&source, 23).unwrap();
    for old in 1..23 {
        let old_root = root(&source, old).unwrap();
        let proof = consistency_proof(&source, old, 23).unwrap();
        for at in 0..proof.len() {
            let mut replaced = proof.clone();
            replaced[at] = leaf_hash(b"anything");
            assert!(verify_consistency(old, 23, &replaced, &old_root, &new_root).is_err());
            assert!(verify_consistency(old, 23, &proof[..at], &old_root, &new_root).is_err());
        }
    }
}

#[test]
fn a_proof_for_other_sizes_does_not_count() {
    let leaves = leaves(20);
    let source = Leaves(&leaves);
    let roots: Vec<Hash> = (0..=20).map(|size| root(&source, size).unwrap()).collect();
    let proof = consistency_proof(&source, 5, 12).unwrap();
    for old in 0..=20_u64 {
        for size in 0..=20_u64 {
            let right = (old, size) == (5, 12);
            let verified = verify_consistency(old, size, &proof, &roots[5], &roots[12]);
            // Another pair of sizes may have a path of the same form; then it is the roots, signed with their sizes,
            // that say which sizes are meant.
            let claimed = verify_consistency(old, size, &proof, &roots[old as usize], &roots[size as usize]);
            assert_eq!(claimed.is_ok(), right, "{old} to {size}");
            assert!(verified.is_ok() || !right);
        }
    }
}

#[test]
fn the_trivial_cases_are_checked_and_not_waved_through() {
    let leaves = leaves(4);
    let source = Leaves(&leaves);
    let (two, four) = (root(&source, 2).unwrap(), root(&source, 4).unwrap());
    let wrong = Err(MerkleError::RootMismatch);
    let length = Err(MerkleError::ProofLength);
    assert_eq!(verify_consistency(4, 4, &[], &four, &four), Ok(()));
    assert_eq!(verify_consistency(4, 4, &[], &four, &two), wrong, "one size has one root");
    assert_eq!(verify_consistency(4, 4, &[four], &four, &four), length);
    assert_eq!(verify_consistency(0, 4, &[], &empty_root(), &four), Ok(()));
    assert_eq!(verify_consistency(0, 4, &[], &two, &four), wrong, "a tree without leaves has one root");
    assert_eq!(verify_consistency(0, 4, &[four], &empty_root(), &four), length);
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &empty_root()), Ok(()));
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &four), wrong);
    assert_eq!(verify_consistency(5, 4, &[], &four, &four), Err(MerkleError::OutOfRange));
    assert_eq!(verify_consistency(2, 4, &[], &two, &four), length, "an empty proof proves nothing");
}

#[test]
fn a_leaf_does_not_count_at_another_place() {
    let leaves = leaves(11);
    let source = Leaves(&leaves);
    let new_root = root(&source, 11).unwrap();
    for index in 0..11 {
        let proof = inclusion_proof(&source, index, 11).unwrap();
        for other in 0..12 {
            for (at, leaf) in (0_u64..).zip(&leaves) {
                let verified = verify_inclusion(leaf, other, 11, &proof, &new_root);
                assert_eq!(verified.is_ok(), index == other && at == index);
            }
        }
    }
}

#[test]
fn an_inner_node_cannot_pass_for_a_leaf() {
    let leaves = leaves(8);
    let source = Leaves(&leaves);
    let new_root = root(&source, 8).unwrap();
    let inner = node_hash(&leaves[0], &leaves[1]);
    let proof = inclusion_proof(&source, 0, 8).unwrap();
    assert_eq!(verify_inclusion(&inner, 0, 8, &proof[1..], &new_root), Err(MerkleError::ProofLength));
    let entry = [leaves[0], leaves[1]].concat();
    assert_ne!(leaf_hash(&entry), inner, "leaves and nodes are hashed apart");
}

#[test]
fn leaves_of_a_range_cannot_be_dropped_exchanged_or_added() {
    let leaves = leaves(21);
    let source = Leaves(&leaves);
    let new_root = root(&source, 21).unwrap();
    let around = range_proof(&source, 6, 11, 21).unwrap();
    let rebuilt = |range: &[Hash], from| root_of_range(&around.left, range, from, &around.right, 21);
    assert_eq!(rebuilt(&leaves[6..11], 6), Ok(new_root));
    for (what, range) in damaged(&leaves[6..11], 77) {
        assert_ne!(rebuilt(&range, 6), Ok(new_root), "{what}");
    }
    for from in [0, 5, 7, 20] {
        assert_ne!(rebuilt(&leaves[6..11], from), Ok(new_root), "moved to {from}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_inclusion_proof_is_refused(
        (size, index) in (1_u64..300).prop_flat_map(|size| (Just(size), 0..size)), salt in any::<usize>(),
    ) {
        let leaves = leaves(size);
        let new_root = root(&Leaves(&leaves), size).unwrap();
        let proof = inclusion_proof(&Leaves(&leaves), index, size).unwrap();
        for (what, proof) in damaged(&proof, salt) {
            let verified = verify_inclusion(&leaves[index as usize], index, size, &proof, &new_root);
            prop_assert!(verified.is_err(), "{}", what);
        }
        let leaf = flipped(&leaves[index as usize], salt);
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &new_root).is_err());
        let other = flipped(&new_root, salt);
        prop_assert!(verify_inclusion(&leaves[index as usize], index, size, &proof, &other).is_err());
    }

    #[test]
    fn a_damaged_consistency_proof_is_refused(
        (size, old) in (1_u64..300).prop_flat_map(|size| (Just(size), 0..=size)), salt in any::<usize>(),
    ) {
        let leaves = leaves(size);
        let roots = [old, size].map(|size| root(&Leaves(&leaves), size).unwrap());
        let proof = consistency_proof(&Leaves(&leaves), old, size).unwrap();
        prop_assert_eq!(verify_consistency(old, size, &proof, &roots[0], &roots[1]), Ok(()));
        for (what, proof) in damaged(&proof, salt) {
            let verified = verify_consistency(old, size, &proof, &roots[0], &roots[1]);
            prop_assert!(verified.is_err(), "{}", what);
        }
        let others = [flipped(&roots[0], salt), flipped(&roots[1], salt)];
        prop_assert!(verify_consistency(old, size, &proof, &others[0], &roots[1]).is_err());
        // From nothing, every tree has grown.
        prop_assert_eq!(verify_consistency(old, size, &proof, &roots[0], &others[1]).is_ok(), old == 0 && size > 0);
    }

    #[test]
    fn a_damaged_range_proof_leads_to_another_root(
        (size, from, to) in (1_u64..300).prop_flat_map(|size| (Just(size), 0..=size, 0..=size)),
        salt in any::<usize>(),
    ) {
        let (from, to) = (from.min(to), from.max(to));
        let leaves = leaves(size);
        let range = &leaves[from as usize..to as usize];
        let new_root = root(&Leaves(&leaves), size).unwrap();
        let around = range_proof(&Leaves(&leaves), from, to, size).unwrap();
        prop_assert_eq!(root_of_range(&around.left, range, from, &around.right, size), Ok(new_root));
        for (what, left) in damaged(&around.left, salt) {
            prop_assert_ne!(root_of_range(&left, range, from, &around.right, size), Ok(new_root), "{}", what);
        }
        for (what, right) in damaged(&around.right, salt) {
            prop_assert_ne!(root_of_range(&around.left, range, from, &right, size), Ok(new_root), "{}", what);
        }
    }
}
