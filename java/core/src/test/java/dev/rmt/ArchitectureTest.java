package dev.rmt;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The arrows between packages point one way. */
@AnalyzeClasses(packages = "dev.rmt", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule ONLY_THE_BINDING_KNOWS_JAVACPP = noClasses()
            .that()
            .doNotHaveFullyQualifiedName("dev.rmt.internal.Rmt")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("org.bytedeco..");

    @ArchTest
    static final ArchRule ONLY_THE_BINDING_HAS_NATIVE_METHODS = methods()
            .that()
            .haveModifier(com.tngtech.archunit.core.domain.JavaModifier.NATIVE)
            .should()
            .beDeclaredIn("dev.rmt.internal.Rmt");

    @ArchTest
    static final ArchRule ONLY_THE_CLASSES_AROUND_IT_CALL_THE_BINDING = noClasses()
            .that()
            .haveSimpleNameNotStartingWith("Native")
            .and()
            .doNotHaveSimpleName("Rmt")
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("dev.rmt.internal.Rmt");

    @ArchTest
    static final ArchRule THE_LOOPS_OVER_SEGMENTS_KNOW_NO_NATIVE_CODE = noClasses()
            .that()
            .haveSimpleNameEndingWith("Recurrence")
            .or()
            .haveSimpleNameStartingWith("Segment")
            .should()
            .dependOnClassesThat()
            .haveSimpleNameStartingWith("Native");

    @ArchTest
    static final ArchRule TEXT_CHECKPOINTS_AND_TASKS_KNOW_NOTHING_OF_DEVICES = noClasses()
            .that()
            .resideInAnyPackage("dev.rmt.text..", "dev.rmt.checkpoint..", "dev.rmt.task..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("dev.rmt.internal..");

    @ArchTest
    static final ArchRule EVALUATION_USES_WHAT_EVERYBODY_USES = noClasses()
            .that()
            .resideInAPackage("dev.rmt.eval..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("dev.rmt.internal..");

    @ArchTest
    static final ArchRule TEXT_CHECKPOINT_TASK_AND_EVALUATION_HAVE_NO_CYCLES =
            slices().matching("dev.rmt.(text|checkpoint|task|eval)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule NOTHING_WAITS_FOR_THE_GARBAGE_COLLECTOR = noClasses()
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("java.lang.ref.Cleaner")
            .orShould()
            .dependOnClassesThat()
            .haveFullyQualifiedName("java.lang.ref.PhantomReference");

    @ArchTest
    static final ArchRule NOTHING_IS_FINALIZED =
            noMethods().should().haveName("finalize").allowEmptyShould(true);

    @ArchTest
    static final ArchRule NOTHING_IS_DONE_BY_REFLECTION =
            noClasses().should().dependOnClassesThat().resideInAPackage("java.lang.reflect..");

    @ArchTest
    static final ArchRule EXCEPTIONS_ARE_UNCHECKED_AND_HAVE_ONE_ROOT =
            classes().that().haveSimpleNameEndingWith("Exception").should().beAssignableTo(RmtException.class);

    @Test
    void theModuleShowsEveryPackageButTheInternalOne() {
        Path classes = Path.of(RmtModel.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .getPath());
        ModuleDescriptor module =
                ModuleFinder.of(classes).find("dev.rmt").orElseThrow().descriptor();

        assertThat(module.exports().stream()
                        .filter(exports -> !exports.isQualified())
                        .map(ModuleDescriptor.Exports::source)
                        .collect(Collectors.toSet()))
                .containsExactlyInAnyOrder(
                        "dev.rmt",
                        "dev.rmt.text",
                        "dev.rmt.checkpoint",
                        "dev.rmt.task",
                        "dev.rmt.eval",
                        "dev.rmt.flops",
                        "dev.rmt.train");
        assertThat(module.exports().stream()
                        .filter(ModuleDescriptor.Exports::isQualified)
                        .map(ModuleDescriptor.Exports::toString))
                .as("the service that GPUs come by")
                .containsExactly("dev.rmt.internal to [dev.rmt.cuda]");
        assertThat(module.packages()).contains("dev.rmt.internal");
        assertThat(module.isOpen()).isFalse();
    }
}
